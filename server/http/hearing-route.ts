import { Type } from "typebox";
import { Hearing, HearingAnswer } from "../../agent/contract.ts";
import type { HearingTests } from "../doctor/hearing.ts";
import { ofOneHost } from "../hosts/host-token.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { HttpServer } from "./http.ts";

/** What a waiting host heard of the server's test. */
export function hearingRoute(
  http: HttpServer,
  options: {
    readonly hosts: Pick<Hosts, "isToken">;
    readonly hearing: Pick<HearingTests, "hear">;
    interfaceAddressOf(localAddress: string | undefined): string;
  },
): void {
  const { hosts, hearing, interfaceAddressOf } = options;
  http.post(
    "/agent/v1/hosts/:hostId/hearing",
    {
      ...ofOneHost(hosts),
      schema: { params: Type.Object({ hostId: Type.String() }), body: Hearing, response: { 200: HearingAnswer } },
    },
    async ({ params, body, raw }) => {
      hearing.hear(params.hostId, body, interfaceAddressOf(raw.socket.localAddress));
      return {};
    },
  );
}
