// What each program here begins with: a client of the store that the environment names, and the bucket to use.
import { S3Client } from "@aws-sdk/client-s3";

export const Bucket = process.env.BUCKET;
export const client = new S3Client({ forcePathStyle: true, maxAttempts: 1 });

// The headers of every request that the client sends, as they go over the wire.
export const sent = [];
client.middlewareStack.add(
  (next) => (call) => {
    sent.push({ method: call.request.method, ...call.request.headers });
    return next(call);
  },
  { step: "finalizeRequest", priority: "low", name: "record" },
);

export async function codeOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error.name;
  }
  throw new Error("the call succeeded");
}
