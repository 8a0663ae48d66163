// lib-storage sends a stream of unknown length in parts, several at a time.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { Bucket, client } from "./store.mjs";

const Body = createReadStream(process.env.FILE);
const upload = new Upload({ client, params: { Bucket, Key: "large", Body }, partSize: 5 * 1024 * 1024, queueSize: 3 });
let progressed = 0;
upload.on("httpUploadProgress", ({ loaded }) => (progressed = Math.max(progressed, loaded)));
await upload.done();

const got = await client.send(new GetObjectCommand({ Bucket, Key: "large" }));
assert.equal(progressed, got.ContentLength);
const hash = createHash("sha256");
for await (const chunk of got.Body) hash.update(chunk);
console.log(hash.digest("hex"));

const aborted = new Upload({
  client,
  params: { Bucket, Key: "aborted", Body: createReadStream(process.env.FILE) },
  partSize: 5 * 1024 * 1024,
});
aborted.on("httpUploadProgress", () => aborted.abort());
await assert.rejects(aborted.done(), { name: "AbortError" });
