import { Type } from "typebox";
import { type Enrolment, OLD_TOKENS_MS } from "../hosts/enrolment/enrolment.ts";
import type { HttpServer } from "../http/http.ts";
import { Nullable } from "./schemas.ts";

const Times = {
  madeAtMs: Type.Number(),
  /** Until when tokens of before a renewal are good; null: none is. */
  oldUntilMs: Nullable(Type.Number()),
};

export const EnrolmentBody = Type.Object({
  /** For boot sticks and machines that are started by hand: whoever has it is approved where hosts.approve is "token". */
  token: Type.String(),
  ...Times,
});
export type EnrolmentBody = Type.Static<typeof EnrolmentBody>;

export const RenewedEnrolmentBody = Type.Object(Times);
export type RenewedEnrolmentBody = Type.Static<typeof RenewedEnrolmentBody>;

const MOST_KEPT_MS = 365 * 86_400_000;

const RenewBody = Type.Object(
  { keepMs: Type.Integer({ minimum: 0, maximum: MOST_KEPT_MS, default: OLD_TOKENS_MS }) },
  { additionalProperties: false },
);

/** The site's enrolment token, for those who may do everything. */
export function enrolmentRoutes(http: HttpServer, { enrolment }: { readonly enrolment: Enrolment }): void {
  const config = { role: "admin", isSecret: true } as const;

  http.get(
    "/api/v1/enrolment",
    { config, schema: { summary: "The token by which machines are approved", response: { 200: EnrolmentBody } } },
    () => enrolment.state(),
  );

  http.post(
    "/api/v1/enrolment/renew",
    {
      config,
      schema: {
        summary: "Makes new tokens; those of before are good for the time that is given",
        body: RenewBody,
        response: { 200: RenewedEnrolmentBody },
      },
    },
    async ({ body: { keepMs } }) => {
      const { madeAtMs, oldUntilMs } = await enrolment.renew(keepMs);
      return { madeAtMs, oldUntilMs };
    },
  );
}
