import { Type } from "typebox";
import { OrderScript } from "../../agent/contract.ts";
import type { HttpServer } from "../http/http.ts";
import type { Scripts } from "../orders/scripts.ts";

const Owner = { kind: Type.Unsafe<"image" | "group">({ type: "string", enum: ["image", "group"] }) };
const OneOwner = Type.Object({ ...Owner, owner: Type.String({ minLength: 1, maxLength: 255 }) });
const OneScript = Type.Object({ ...OneOwner.properties, script: Type.String({ minLength: 1, maxLength: 100 }) });
const ScriptBody = Type.Object({
  text: Type.String(),
  mostSeconds: OrderScript.properties.mostSeconds,
});
const ScriptListBody = Type.Object({
  scripts: Type.Array(Type.Object({ ...Owner, name: Type.String(), script: OrderScript })),
});
export type ScriptListBody = Type.Static<typeof ScriptListBody>;
const Done = Type.Object({});

/**
 * Scripts that run on restored disks. They often hold what a machine needs to join a domain, so whoever only looks does
 * not read them; who orders restores does, because they are part of what is ordered; and only admins change them.
 */
export function scriptRoutes(http: HttpServer, { scripts }: { readonly scripts: Scripts }): void {
  http.get(
    "/api/v1/scripts",
    {
      config: { role: "operator" },
      schema: { summary: "The scripts of images and groups, with their text", response: { 200: ScriptListBody } },
    },
    async () => ({
      scripts: await scripts.list(),
    }),
  );

  http.put(
    "/api/v1/scripts/:kind/:owner/:script",
    {
      config: { role: "admin" },
      schema: {
        summary: "Gives an image or a group a script, or another text to one",
        params: OneScript,
        body: ScriptBody,
        response: { 200: Done },
      },
    },
    async ({ params, body }) => {
      await scripts.set({ kind: params.kind, name: params.owner }, { name: params.script, ...body });
      return {};
    },
  );

  http.delete(
    "/api/v1/scripts/:kind/:owner/:script",
    {
      config: { role: "admin" },
      schema: { summary: "Takes a script away", params: OneScript, response: { 200: Done } },
    },
    async ({ params }) => {
      await scripts.remove({ kind: params.kind, name: params.owner }, params.script);
      return {};
    },
  );
}
