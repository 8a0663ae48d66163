"""completion: the script with which a shell completes bucketry's commands, options and the names on the server."""

from __future__ import annotations

import click

VARIABLE = "_BUCKETRY_COMPLETE"

_INSTALL = {
    "bash": 'For bash: eval "$(bucketry completion bash)" in ~/.bashrc',
    "zsh": 'For zsh: eval "$(bucketry completion zsh)" in ~/.zshrc, after compinit',
    "fish": "For fish: bucketry completion fish > ~/.config/fish/completions/bucketry.fish",
}


@click.command("completion", epilog="\n\n".join(_INSTALL.values()))
@click.argument("shell", type=click.Choice(sorted(_INSTALL)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class  # not needed by any other command

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "bucketry", VARIABLE).source())
