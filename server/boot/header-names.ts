import type { ServerResponse } from "node:http";

/**
 * Makes an answer spell its header names as `Content-Length`, where fastify
 * writes `content-length`. GRUB compares them letter by letter and waits for
 * ever for an answer whose length it has not understood (grub-core/net/http.c;
 * seen with 2.06 and 2.12).
 */
export function capitaliseHeaders(answer: ServerResponse): void {
  const setHeader = answer.setHeader.bind(answer);
  const writeHead = answer.writeHead.bind(answer) as (status: number, headers?: object) => ServerResponse;
  // fastify uses the one for streams and the other for everything else.
  answer.setHeader = (name, value) => setHeader(capitalised(name), value);
  answer.writeHead = ((status: number, headers: object = {}) => {
    const spelled = Object.entries(headers).map(([name, value]) => [capitalised(name), value]);
    return writeHead(status, Object.fromEntries(spelled));
  }) as typeof answer.writeHead;
}

function capitalised(name: string): string {
  return name.replaceAll(/(?<![a-z])[a-z]/gi, (letter) => letter.toUpperCase());
}
