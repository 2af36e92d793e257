import { createHmac, randomBytes } from "node:crypto";

const PREFIX = "whsec_";

/** What a webhook is signed with, as its receiver keeps it: 256 bits. */
export function newSigningSecret(): string {
  return PREFIX + randomBytes(32).toString("base64");
}

/**
 * The headers by which a receiver knows that a message is ours, and that it has it already (Standard Webhooks 1.0.0):
 * `webhook-signature` is HMAC-SHA-256 over id, time in seconds and body with dots between, in base64.
 */
export function signedHeaders(
  secret: string,
  message: { readonly id: string; readonly atMs: number; readonly body: string },
): Record<string, string> {
  const seconds = String(Math.floor(message.atMs / 1000));
  const key = Buffer.from(secret.slice(PREFIX.length), "base64");
  const signature = createHmac("sha256", key).update(`${message.id}.${seconds}.${message.body}`).digest("base64");
  return { "webhook-id": message.id, "webhook-timestamp": seconds, "webhook-signature": `v1,${signature}` };
}
