"""The bucket and the users that the cloud-gov s3-broker makes, by its calls: a bucket `PREFIX-INSTANCE_ID`
with tags, for each binding a user `PREFIX-BINDING_ID` with a managed policy of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_ON_BUCKET = (
    "DeleteBucketWebsite",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "PutBucketCORS",
    "PutBucketVersioning",
    "PutBucketWebsite",
)
_ON_OBJECTS = (
    "AbortMultipartUpload",
    "DeleteObject",
    "DeleteObjectVersion",
    "GetObject",
    "GetObjectAcl",
    "GetObjectVersion",
    "ListMultipartUploadParts",
    "PutObject",
    "PutObjectAcl",
)


@dataclass
class OtherBroker:
    """`s3`, `iam`: clients of the account's root."""

    s3: Any
    iam: Any
    path: str = "/cf/"

    def provision(self, instance_id: str, *, is_public: bool = False) -> str:
        """The bucket's name."""
        bucket = f"cf-{instance_id}"
        self.s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
        tags = {"Instance GUID": instance_id, "broker": "AWS S3 Service Broker"}
        tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set})
        if is_public:
            self.s3.delete_public_access_block(Bucket=bucket)
            statement = {
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{bucket}/*"],
            }
            self.s3.put_bucket_policy(Bucket=bucket, Policy=_document([statement]))
        return bucket

    def bind(self, instance_id: str, binding_id: str) -> dict[str, str]:
        """The credentials: `access_key_id` and `secret_access_key`."""
        user, arn = f"cf-{binding_id}", f"arn:aws:s3:::cf-{instance_id}"
        self.iam.create_user(UserName=user, Path=self.path)
        key = self.iam.create_access_key(UserName=user)["AccessKey"]
        statements = [
            {"Effect": "Allow", "Action": [f"s3:{name}" for name in _ON_BUCKET], "Resource": [arn]},
            {"Effect": "Allow", "Action": [f"s3:{name}" for name in _ON_OBJECTS], "Resource": [f"{arn}/*"]},
        ]
        policy = self.iam.create_policy(PolicyName=user, Path=self.path, PolicyDocument=_document(statements))
        self.iam.attach_user_policy(UserName=user, PolicyArn=policy["Policy"]["Arn"])
        return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
