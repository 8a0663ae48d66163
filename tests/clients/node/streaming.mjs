// A body of which only the length is known: its checksum follows it, as a trailer of aws-chunked encoding.
import assert from "node:assert/strict";
import { createReadStream, statSync } from "node:fs";
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { Bucket, client, sent } from "./store.mjs";

const ContentLength = statSync(process.env.FILE).size;
for (const ChecksumAlgorithm of [undefined, "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  const Key = `by ${ChecksumAlgorithm}`;
  const Body = createReadStream(process.env.FILE, { highWaterMark: 64 * 1024 });
  sent.length = 0;
  await client.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength, ChecksumAlgorithm }));
  const name = (ChecksumAlgorithm ?? "CRC32").toLowerCase();
  assert.equal(sent[0]["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
  assert.equal(sent[0]["x-amz-trailer"], `x-amz-checksum-${name}`);

  const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
  assert.ok(head[`Checksum${name.toUpperCase()}`], JSON.stringify(head));
  assert.equal(head.ContentLength, ContentLength);
  assert.equal(head.ContentEncoding, undefined);
  // Reading to the end verifies: the SDK compares what it computes with what the answer says.
  const got = await client.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
  assert.equal((await got.Body.transformToByteArray()).length, ContentLength);
}
