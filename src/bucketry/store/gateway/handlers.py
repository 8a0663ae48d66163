"""The one list of handlers: each operation of s3/operations.py has its row here, but for the preflights.

A handler runs when the signature is verified, the bucket found and the operation's action allowed; it asks
`authorise.demand` for any further action, and raises S3 errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bucketry.store.gateway import (
    absent,
    acls,
    bucket_logging,
    bucket_notification,
    bucket_policy,
    bucket_settings,
    buckets,
    copy,
    delete_objects,
    encryption,
    lifecycle,
    listing,
    multipart,
    multipart_complete,
    multipart_listing,
    object_attributes,
    object_lock,
    object_tag_conditions,
    object_tagging,
    objects_get,
    objects_put,
    post_object,
    versions,
)
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response

Handler = Callable[[Context], Awaitable[Response]]

HANDLERS: Mapping[str, Handler] = {
    # buckets
    "ListBuckets": listing.list_buckets,
    "CreateBucket": buckets.create_bucket,
    "HeadBucket": buckets.head_bucket,
    "DeleteBucket": buckets.delete_bucket,
    "GetBucketLocation": buckets.get_bucket_location,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListObjectVersions": versions.list_object_versions,
    "DeleteObjects": delete_objects.delete_objects,
    # settings of buckets
    "GetBucketTagging": bucket_settings.get_bucket_tagging,
    "PutBucketTagging": bucket_settings.put_bucket_tagging,
    "DeleteBucketTagging": bucket_settings.delete_bucket_tagging,
    "GetBucketCors": bucket_settings.get_bucket_cors,
    "PutBucketCors": bucket_settings.put_bucket_cors,
    "DeleteBucketCors": bucket_settings.delete_bucket_cors,
    "GetBucketPolicy": bucket_policy.get_bucket_policy,
    "PutBucketPolicy": bucket_policy.put_bucket_policy,
    "DeleteBucketPolicy": bucket_policy.delete_bucket_policy,
    "GetBucketPolicyStatus": bucket_policy.get_bucket_policy_status,
    "GetBucketAcl": acls.get_bucket_acl,
    "PutBucketAcl": acls.put_bucket_acl,
    "GetBucketVersioning": versions.get_bucket_versioning,
    "PutBucketVersioning": versions.put_bucket_versioning,
    "GetObjectLockConfiguration": object_lock.get_object_lock_configuration,
    "PutObjectLockConfiguration": object_lock.put_object_lock_configuration,
    "GetBucketLifecycleConfiguration": lifecycle.get_bucket_lifecycle_configuration,
    "PutBucketLifecycleConfiguration": lifecycle.put_bucket_lifecycle_configuration,
    "DeleteBucketLifecycleConfiguration": lifecycle.delete_bucket_lifecycle_configuration,
    "GetBucketLogging": bucket_logging.get_bucket_logging,
    "PutBucketLogging": bucket_logging.put_bucket_logging,
    "GetBucketNotificationConfiguration": bucket_notification.get_bucket_notification_configuration,
    "PutBucketNotificationConfiguration": bucket_notification.put_bucket_notification_configuration,
    "GetBucketEncryption": encryption.get_bucket_encryption,
    "PutBucketEncryption": encryption.put_bucket_encryption,
    "DeleteBucketEncryption": encryption.delete_bucket_encryption,
    "GetBucketWebsite": bucket_settings.get_bucket_website,
    "PutBucketWebsite": bucket_settings.put_bucket_website,
    "DeleteBucketWebsite": bucket_settings.delete_bucket_website,
    "GetPublicAccessBlock": bucket_settings.get_public_access_block,
    "PutPublicAccessBlock": bucket_settings.put_public_access_block,
    "DeletePublicAccessBlock": bucket_settings.delete_public_access_block,
    "GetBucketOwnershipControls": bucket_settings.get_bucket_ownership_controls,
    "PutBucketOwnershipControls": bucket_settings.put_bucket_ownership_controls,
    "DeleteBucketOwnershipControls": bucket_settings.delete_bucket_ownership_controls,
    # what no bucket has
    "GetBucketAbac": absent.get_bucket_abac,
    "GetBucketAccelerateConfiguration": absent.get_bucket_accelerate_configuration,
    "GetBucketReplication": absent.get_bucket_replication,
    "GetBucketRequestPayment": absent.get_bucket_request_payment,
    "ListBucketAnalyticsConfigurations": absent.list_bucket_analytics_configurations,
    "ListBucketIntelligentTieringConfigurations": absent.list_bucket_intelligent_tiering_configurations,
    "ListBucketInventoryConfigurations": absent.list_bucket_inventory_configurations,
    "ListBucketMetricsConfigurations": absent.list_bucket_metrics_configurations,
    # objects
    "GetObject": objects_get.get_object,
    "HeadObject": objects_get.head_object,
    "PutObject": objects_put.put_object,
    "PostObject": post_object.post_object,
    "DeleteObject": objects_put.delete_object,
    "CopyObject": copy.copy_object,
    "GetObjectAcl": acls.get_object_acl,
    "PutObjectAcl": acls.put_object_acl,
    "GetObjectTagging": object_tagging.get_object_tagging,
    "PutObjectTagging": object_tagging.put_object_tagging,
    "DeleteObjectTagging": object_tagging.delete_object_tagging,
    "GetObjectRetention": object_lock.get_object_retention,
    "PutObjectRetention": object_lock.put_object_retention,
    "GetObjectLegalHold": object_lock.get_object_legal_hold,
    "PutObjectLegalHold": object_lock.put_object_legal_hold,
    "GetObjectAttributes": object_attributes.get_object_attributes,
    # multipart uploads
    "CreateMultipartUpload": multipart.create_multipart_upload,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": copy.upload_part_copy,
    "CompleteMultipartUpload": multipart_complete.complete_multipart_upload,
    "AbortMultipartUpload": multipart.abort_multipart_upload,
    "ListMultipartUploads": multipart_listing.list_multipart_uploads,
    "ListParts": multipart_listing.list_parts,
}

# What must be known of a body before its sender's rights can be decided.
BEFORE_AUTHORISING: Mapping[str, Callable[[Context], Awaitable[None]]] = {
    "CreateBucket": buckets.read_configuration,
    "PutObjectTagging": object_tag_conditions.read_request_tags,
    "PutObjectRetention": object_lock.read_retention,
    "PutObjectLegalHold": object_lock.read_hold,
}
