"""SERVICE contract, "One bucket, from order to removal": the README's recipe, typed as it is printed, and each form of
credentials used by the program that it is for."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.kit.customer import Customer, visit
from tests.kit.files import noise
from tests.kit.programs import bucketry, require

README = Path(__file__).parents[2] / "README.md"
SHOW_KEY = 'cf service-key "${INSTANCE_NAME}" "${KEY_NAME}"'
CORS_LINE = "aws s3api put-bucket-cors --bucket $BUCKET_NAME --cors-configuration file://cors.json\n"
CORS = {"CORSRules": [{"AllowedOrigins": ["https://example.org"], "AllowedMethods": ["GET", "PUT"]}]}


def blocks() -> tuple[str, str, str]:
    """The README's recipe, its one-line form, and the end of it."""
    section = README.read_text().partition("## Your first bucket")[2].partition("\n## ")[0]
    indented = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    assert len(indented) == 2, section
    (one_line,) = re.findall(r"`(eval [^`]+)`", section)
    recipe, end = ("".join(line[4:] for line in block.splitlines(keepends=True)) for block in indented)
    return recipe, one_line + "\n", end


@pytest.fixture
def reader(customer: Customer) -> Customer:
    """Who reads the README in a clone: `.venv` and `bucketry-data` lie in the current folder, nothing is set."""
    for program in ("aws", "jq"):
        require(program)
    (customer.home / ".venv").symlink_to(Path(bucketry()).parents[1])
    (customer.home / "bucketry-data").symlink_to(customer.server.data)
    del customer.environment["BUCKETRY_DATA"]
    (customer.home / "mylocalfile").write_bytes(noise(70_000))
    (customer.home / "cors.json").write_text(json.dumps(CORS))
    return customer


def test_the_readmes_recipe_runs_as_printed_from_order_to_removal(reader: Customer) -> None:
    recipe, _, end = blocks()
    delete_key, *empty_and_delete = end.splitlines(keepends=True)
    probe = 'env | grep -E "^(AWS_|BUCKET_NAME)" | sed "s/^/export /" > credentials\n'
    done = reader.bash(recipe + CORS_LINE + probe)
    assert done.out.splitlines()[-1].endswith(" 70000 mylocalfile")
    assert (reader.home / "copy").read_bytes() == (reader.home / "mylocalfile").read_bytes()

    environment = dict(line[7:].split("=", 1) for line in (reader.home / "credentials").read_text().splitlines())
    url = f"{environment['AWS_ENDPOINT_URL']}/{environment['BUCKET_NAME']}/mylocalfile"
    assert visit(url, "OPTIONS", Origin="https://example.org", Access_Control_Request_Method="PUT").status == 200
    assert visit(url, "OPTIONS", Origin="https://example.com", Access_Control_Request_Method="PUT").status == 403

    listing = "aws s3 ls s3://${BUCKET_NAME}"
    assert reader("delete-service", "mybucket", "-f").code == 5
    reader.bash(f"export PATH=$PWD/.venv/bin:$PATH\n{delete_key}. ./credentials\nif {listing}; then exit 1; fi")
    assert "InvalidAccessKeyId" in reader.program("bash", "-c", f". ./credentials; {listing}").err
    reader.bash("export PATH=$PWD/.venv/bin:$PATH\n" + "".join(empty_and_delete))
    assert reader("service", "mybucket").code == 3


def test_the_recipe_works_with_the_keys_name_alone(reader: Customer) -> None:
    recipe, _, _ = blocks()
    assert recipe.count(SHOW_KEY) == 1
    reader.bash(recipe.replace(SHOW_KEY, 'cf service-key "${KEY_NAME}"') + "cmp mylocalfile copy\n")


def test_the_readmes_one_line_does_the_same(reader: Customer) -> None:
    _, one_line, _ = blocks()
    key = reader.key(reader.order(name="mybucket"), "Bob")
    script = f"export PATH=$PWD/.venv/bin:$PATH\n{one_line}aws s3 cp ./mylocalfile s3://${{BUCKET_NAME}}/\n"
    reader.bash(script)
    assert reader.s3(key).get_object(Bucket=key["bucket"], Key="mylocalfile")["ContentLength"] == 70_000


# --- each form of credentials, used

PUT_AND_GET = {
    "aws": "aws --profile NAME s3 cp sent s3://BUCKET/ && aws --profile NAME s3 cp s3://BUCKET/sent got",
    "rclone": "rclone copyto sent NAME:BUCKET/sent && rclone copyto NAME:BUCKET/sent got",
    "s3cmd": "s3cmd put sent s3://BUCKET/sent && s3cmd get s3://BUCKET/sent got",
}
FILES = {"aws": ".aws/config", "rclone": ".config/rclone/rclone.conf", "s3cmd": ".s3cfg"}


@pytest.fixture
def keyed(customer: Customer) -> Customer:
    """With the instance `one` and its key `Bob`."""
    customer.key(customer.order(name="one"), "Bob")
    (customer.home / "sent").write_bytes(noise(70_000))
    return customer


@pytest.mark.parametrize("form", sorted(FILES))
def test_a_printed_configuration_works_as_it_stands(keyed: Customer, form: str) -> None:
    """Appended to the program's own file; the comment in it names a command that works, too."""
    require(form)
    path = keyed.home / FILES[form]
    path.parent.mkdir(parents=True, exist_ok=True)
    printed = keyed.ok("service-key", "one", "Bob", "--format", form).out
    path.write_text(printed)
    (listing,) = re.findall(r"Then: (.+)", printed)
    keyed.bash(PUT_AND_GET[form].replace("NAME", "one-Bob").replace("BUCKET", keyed.bucket("one")))
    assert (keyed.home / "got").read_bytes() == noise(70_000)
    assert "sent" in keyed.bash(listing).out
    keyed.ok("delete-service-key", "one", "Bob", "-f")
    assert keyed.program("bash", "-c", listing).code != 0


def test_s3cmd_takes_the_printed_file_by_name(keyed: Customer) -> None:
    require("s3cmd")
    bucket = keyed.bucket("one")
    keyed.bash(
        "bucketry service-key one Bob --format s3cmd > settings\n"
        f"s3cmd -c settings put sent s3://{bucket}/sent\n"
        f"s3cmd -c settings get s3://{bucket}/sent got\ncmp sent got\n"
    )


def test_the_shell_variables_work_and_end_with_the_key(keyed: Customer) -> None:
    require("aws")
    printed = keyed.ok("service-key", "one", "Bob", "--format", "env").out
    keyed.bash(
        'eval "$(bucketry service-key one Bob --format env)"\n'
        "aws s3 cp sent s3://$BUCKET_NAME/sent\naws s3 cp s3://$BUCKET_NAME/sent got\ncmp sent got\n"
    )
    keyed.ok("delete-service-key", "one", "Bob", "-f")
    with pytest.raises(AssertionError, match="InvalidAccessKeyId"):
        keyed.bash(printed + "aws s3 ls s3://$BUCKET_NAME\n")


def test_the_printed_python_makes_a_client(keyed: Customer) -> None:
    printed = keyed.ok("service-key", "one", "Bob", "--format", "boto3").out
    (keyed.home / "use.py").write_text(
        printed + "s3.upload_file('sent', bucket, 'sent')\ns3.download_file(bucket, 'sent', 'got')\n"
    )
    done = keyed.program(sys.executable, "use.py")
    assert done.code == 0, done.err
    assert (keyed.home / "got").read_bytes() == noise(70_000)
