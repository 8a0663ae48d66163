// Presigned PUT and GET, used by fetch as a browser would.
import assert from "node:assert/strict";
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { Bucket, client } from "./store.mjs";

const named = { Bucket, Key: "from a/browser +.txt" };
const put = await getSignedUrl(client, new PutObjectCommand({ ...named, ContentType: "text/x-note" }), { expiresIn: 60 });
const stored = await fetch(put, { method: "PUT", body: "a note", headers: { "Content-Type": "text/x-note" } });
assert.equal(stored.status, 200, await stored.text());

const get = await getSignedUrl(client, new GetObjectCommand(named), { expiresIn: 60 });
const read = await fetch(get);
assert.equal(read.status, 200);
assert.equal(await read.text(), "a note");
assert.equal(read.headers.get("content-type"), "text/x-note");

const misused = await fetch(get, { method: "PUT", body: "x" });
assert.equal(misused.status, 403);
assert.match(await misused.text(), /SignatureDoesNotMatch/);
