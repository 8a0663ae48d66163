"""Bindings of apps: bind-service, unbind-service, env, run, restage."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from bucketry.cli import names, output
from bucketry.cli.command import json_option, server_command
from bucketry.cli.errors import COMMAND_NOT_FOUND, NOT_EXECUTABLE, NOT_FOUND, ApiError, CliError
from bucketry.cli.formats import Credentials, variables
from bucketry.cli.instances import instance_argument
from bucketry.cli.parameters import parameters_option, read_parameters
from bucketry.cli.session import Session
from bucketry.cli.waiting import change, wait_option

app_argument = click.argument("app", metavar="APP", shell_complete=names.apps)

# Variables that would go before what `run` sets, or that no app should inherit: the administrator's token.
UNSET_BY_RUN = (
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ENDPOINT_URL_S3",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "BUCKETRY_TOKEN",
    "BUCKETRY_MASTER_KEY",
)


@server_command("bind-service")
@app_argument
@instance_argument
@parameters_option
@click.option("--binding-name", metavar="NAME", help="The name of the binding in VCAP_SERVICES.")
@wait_option
def bind_service(
    session: Session, app: str, instance: str, parameters: str | None, binding_name: str | None, wait: bool
) -> None:
    """Bind a service instance to an app: credentials of its own for it."""
    given = read_parameters(parameters)
    path = session.instance_path(instance, "bindings", app)
    output.message(f"Binding service instance {instance} to app {app} in {session.place}...")
    status, _ = change(session, wait, "PUT", *path, body=binding_body(given, binding_name))
    if status == 200:
        output.message(f"App {app} is already bound to service instance {instance}.")
    output.ok()
    output.message(f"TIP: `bucketry env {app}` shows the credentials, `bucketry run {app} -- COMMAND` uses them.")


def binding_body(parameters: dict[str, Any] | None, binding_name: str | None) -> dict[str, Any]:
    """What the API is told about a binding."""
    body: dict[str, Any] = {}
    if parameters is not None:
        body["parameters"] = parameters
    if binding_name is not None:
        body["binding_name"] = binding_name
    return body


@server_command("unbind-service")
@app_argument
@instance_argument
@wait_option
def unbind_service(session: Session, app: str, instance: str, wait: bool) -> None:
    """Take a service instance from an app: its credentials stop working at once."""
    path = session.instance_path(instance, "bindings", app)
    output.message(f"Unbinding app {app} from service {instance} in {session.place}...")
    try:
        change(session, wait, "DELETE", *path)
    except ApiError as error:
        if error.code != "BindingNotFound":
            raise
        output.message(f"Binding between {instance} and {app} does not exist")
    output.ok()


@server_command("env")
@app_argument
@json_option
def env(session: Session, app: str, output_form: str) -> None:
    """Show VCAP_SERVICES of an app, its credentials in it."""
    path = session.space_path("apps", app, "env")
    if output_form == "json":
        output.json_data(session.client.get(*path))
        return
    output.message(f"Getting env variables for app {app} in {session.place}...")
    services = session.client.get(*path)["VCAP_SERVICES"]
    if not services:
        output.message("No system-provided env variables have been set")
        return
    output.data("System-Provided:")
    output.data("VCAP_SERVICES: " + json.dumps(services, indent=2, ensure_ascii=False))


@server_command("restage")
@app_argument
def restage(session: Session, app: str) -> None:
    """Say that nothing needs restaging: bucketry runs no apps."""
    session.client.get(*session.space_path("apps", app))
    output.message(f"Nothing to restage: bucketry runs no apps, and `bucketry env {app}` always shows what holds now.")
    output.ok()


@server_command("run")
@app_argument
@click.option("--service", "instance", metavar="SERVICE_INSTANCE", help="Whose credentials the AWS_* variables hold.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(session: Session, app: str, instance: str | None, command: tuple[str, ...]) -> None:
    """Run a command here with an app's VCAP_SERVICES and AWS_* variables.

    The command takes this program's place, so its exit code is the answer: 127 if there is no such command, 126 if it
    can't be executed. With several services bound, the AWS_* variables need --service.
    """
    services = session.client.get(*session.space_path("apps", app, "env"))["VCAP_SERVICES"]
    bound = [entry for entries in services.values() for entry in entries]
    chosen = _choose(app, bound, instance)
    execute(command, app_environment(session.environment, services, chosen))


def _choose(app: str, bound: Sequence[Mapping[str, Any]], instance: str | None) -> Mapping[str, Any] | None:
    """The binding that the AWS_* variables come from: the one named, or the only one."""
    if instance is not None:
        for entry in bound:
            if entry.get("instance_name") == instance:
                return entry
        raise CliError(
            f"app {app} is not bound to a service instance {instance}",
            f"Bind it with `bucketry bind-service {app} {instance}`.",
            exit_code=NOT_FOUND,
        )
    if len(bound) == 1:
        return bound[0]
    if bound:
        found = ", ".join(sorted(str(entry.get("instance_name")) for entry in bound))
        output.message(f"AWS_* variables are not set: {app} is bound to {found}. Choose one with --service.")
    else:
        output.message(
            f"AWS_* variables are not set: {app} is bound to nothing. Use `bucketry bind-service {app} NAME`."
        )
    return None


def app_environment(
    inherited: Mapping[str, str], services: Mapping[str, Any], chosen: Mapping[str, Any] | None
) -> dict[str, str]:
    """The environment that an app's command gets."""
    environment = {name: value for name, value in inherited.items() if name not in UNSET_BY_RUN}
    environment["VCAP_SERVICES"] = json.dumps(services)
    if chosen is not None:
        credentials = Credentials.of(chosen["credentials"], name=str(chosen.get("name", "")))
        environment.update(variables(credentials))
    return environment


def execute(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Become `command`. Returns only by raising CliError, with the exit codes of env(1)."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(command[0], list(command), dict(environment))  # noqa: S606 - no shell is the point
    except (FileNotFoundError, NotADirectoryError):
        raise CliError(
            f"there is no command {command[0]!r}", "Check its name and PATH.", exit_code=COMMAND_NOT_FOUND
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CliError(
            f"{command[0]!r} can't be executed: {reason}", "Check that it is a program.", exit_code=NOT_EXECUTABLE
        ) from None
