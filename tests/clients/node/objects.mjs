// Put, get, head, list, copy, delete.
import assert from "node:assert/strict";
import {
  CopyObjectCommand, DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListBucketsCommand,
  paginateListObjectsV2, PutObjectCommand,
} from "@aws-sdk/client-s3";
import { Bucket, client, codeOf } from "./store.mjs";

const keys = ["a//b", "emoji-🪣", "plus+and %25", "x/1", "x/2", "ünïcode"];
for (const Key of keys) {
  await client.send(new PutObjectCommand({ Bucket, Key, Body: `content of ${Key}`, Metadata: { by: "js" } }));
  const got = await client.send(new GetObjectCommand({ Bucket, Key }));
  assert.equal(await got.Body.transformToString(), `content of ${Key}`);
  assert.equal(got.Metadata.by, "js");
}

const listed = [];
for await (const page of paginateListObjectsV2({ client, pageSize: 4 }, { Bucket })) {
  listed.push(...page.Contents.map((item) => item.Key));
}
assert.deepEqual(listed, keys);
const { Buckets } = await client.send(new ListBucketsCommand({}));
assert.ok(Buckets.some((found) => found.Name === Bucket));

const range = await client.send(new GetObjectCommand({ Bucket, Key: "x/1", Range: "bytes=0-6" }));
assert.equal(await range.Body.transformToString(), "content");
assert.equal(range.ContentRange, "bytes 0-6/14");

const CopySource = `${Bucket}/${encodeURIComponent("plus+and %25")}`;
await client.send(new CopyObjectCommand({ Bucket, Key: "copied", CopySource }));
assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: "copied" }))).ContentLength, 23);

await client.send(new DeleteObjectCommand({ Bucket, Key: "copied" }));
assert.equal(await codeOf(client.send(new GetObjectCommand({ Bucket, Key: "copied" }))), "NoSuchKey");
assert.equal(await codeOf(client.send(new HeadObjectCommand({ Bucket, Key: "copied" }))), "NotFound");
const once = { Bucket, Key: "x/1", Body: "again", IfNoneMatch: "*" };
assert.equal(await codeOf(client.send(new PutObjectCommand(once))), "PreconditionFailed");

const Objects = keys.map((Key) => ({ Key }));
const { Deleted, Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
assert.equal(Deleted.length, keys.length);
assert.equal(Errors, undefined);
