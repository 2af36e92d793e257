import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { type Static, Type } from "typebox";
import {
  DescriptionQuery,
  FaultBody,
  Join,
  Joined,
  Progress,
  ProgressAnswer,
  StreamInfo,
  StreamList,
} from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import { carriesToken, checkToken } from "../hosts/host-token.ts";
import type { Hosts } from "../hosts/hosts.ts";
import { plainAddress } from "../http/http.ts";
import type { StreamHub } from "./hub.ts";
import { streamElsewhere } from "./stream-faults.ts";

const OneStream = Type.Object({ streamId: Type.String() });
const OnePack = Type.Object({ streamId: Type.String(), digest: Type.String() });
const OneReceiver = Type.Object({ streamId: Type.String(), receiverId: Type.String() });

/**
 * The routes `/agent/v1/streams…` of agent/contract.ts, over the streams of `hub`. Errors are answered by `createHttp`.
 *
 * @param options.goesOn whether a stream that is not here goes on at another server of this site
 * @param options.isToken when given, only registered hosts get the key of an encrypted stream; otherwise whoever joins
 */
export function streamRoutes(
  hub: StreamHub,
  {
    isToken,
    goesOn,
  }: {
    readonly isToken?: Hosts["isToken"];
    readonly goesOn?: ((streamId: string) => Promise<boolean>) | undefined;
  } = {},
): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.setErrorHandler(async (error, { params }) => {
      const { streamId } = params as Partial<Static<typeof OneStream>>;
      const isUnknown = error instanceof Fault && error.code === "STREAM_UNKNOWN";
      if (isUnknown && streamId !== undefined && (await goesOn?.(streamId)) === true) throw streamElsewhere(streamId);
      throw error;
    });
    app.get("/agent/v1/streams", answers(StreamList), async () => ({
      streams: hub.list().map((stream) => stream.info()),
    }));

    app.get(
      "/agent/v1/streams/:streamId",
      { schema: { params: OneStream, querystring: DescriptionQuery, response: { 200: StreamInfo, 404: FaultBody } } },
      async ({ params, query }) => hub.get(params.streamId).infoFor(query.mostSymbolBytes),
    );

    app.get("/agent/v1/streams/:streamId/manifest", { schema: { params: OneStream } }, async (request, reply) =>
      sendBytes(reply, hub.get(request.params.streamId).manifestBytes),
    );

    app.get("/agent/v1/streams/:streamId/key", { schema: { params: OneStream } }, async (request, reply) =>
      reply.type("application/x-pem-file").send(hub.get(request.params.streamId).signerPem),
    );

    app.get("/agent/v1/streams/:streamId/packs/:digest", { schema: { params: OnePack } }, async (request, reply) => {
      const gone = new AbortController();
      // When all is sent, and when the connection breaks.
      reply.raw.once("close", () => gone.abort());
      const asker = { address: plainAddress(request.ip) ?? request.ip, signal: gone.signal };
      const { bytes, giveBack } = await hub.get(request.params.streamId).readPack(request.params.digest, asker);
      if (gone.signal.aborted) giveBack();
      else gone.signal.addEventListener("abort", giveBack);
      return sendBytes(reply, bytes);
    });

    app.post(
      "/agent/v1/streams/:streamId/receivers",
      { schema: { params: OneStream, body: Join, response: { 200: Joined, 404: FaultBody } } },
      async ({ params, body, headers, ip }) => {
        const stream = hub.get(params.streamId);
        // Who listens to the group alone cannot read it; nor can who only asks for its key.
        if (stream.description.isSealed === true && isToken !== undefined) {
          await checkToken({ isToken }, body.hostId ?? "", headers.authorization);
        }
        const { hostId } = body;
        const isProven =
          hostId !== undefined &&
          isToken !== undefined &&
          (await carriesToken({ isToken }, hostId, headers.authorization));
        await stream.agreeOn(body);
        const address = plainAddress(ip) ?? ip;
        const former = stream.joinLimit.admit({ address, hostId, isProven }, stream.receivers);
        for (const { id, packsDone, packsTotal } of former) {
          stream.report(id, { state: "left", packsDone, packsTotal, symbolsReceived: 0, symbolsLost: 0 });
        }
        const joined = stream.join(body.name, hostId, body.needs, body.publicKey);
        stream.joinLimit.onJoined(joined.receiverId, address);
        return joined;
      },
    );

    app.post(
      "/agent/v1/streams/:streamId/receivers/:receiverId",
      { schema: { params: OneReceiver, body: Progress, response: { 200: ProgressAnswer, 404: FaultBody } } },
      async (request) => {
        const stream = hub.get(request.params.streamId);
        stream.report(request.params.receiverId, request.body);
        const { state, waitingFor, feedbackEveryMs, reportEveryMs } = stream;
        const aside = stream.asideOf(request.params.receiverId);
        const served =
          aside === undefined
            ? {}
            : { isServedByUnicast: aside.way === "unicast", ...(aside.why === "" ? {} : { why: aside.why }) };
        return { streamState: state, waitingFor, feedbackEveryMs, reportEveryMs, ...served };
      },
    );
  };
}

function answers<T>(body: T): { schema: { response: { 200: T } } } {
  return { schema: { response: { 200: body } } };
}

function sendBytes(reply: { type(name: string): { send(bytes: Buffer): unknown } }, bytes: Uint8Array): unknown {
  // fastify sets Content-Length for a Buffer.
  return reply.type("application/octet-stream").send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}
