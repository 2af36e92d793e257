import type { FastifyReply } from "fastify";

/** An error as firmware takes it: one plain line with a length. */
export function refuse(reply: FastifyReply, code: number, text: string): FastifyReply {
  return sendText(reply.code(code).type("text/plain; charset=utf-8"), `${text}\n`);
}

/** Text with its exact length, which HEAD says, too. */
export function sendText(reply: FastifyReply, text: string): FastifyReply {
  reply.header("content-length", Buffer.byteLength(text));
  return reply.request.method === "HEAD" ? reply.send() : reply.send(text);
}
