import { Type } from "typebox";
import type { BootPolicy } from "../../bsdp/policy.ts";
import type { HostBoot, HostBootSettings } from "../hosts/host-boot-settings.ts";
import type { Host } from "../hosts/host-record.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { HttpServer } from "../http/http.ts";
import { LATEST_MS } from "./schemas.ts";

const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const NetBootImage = Type.Object(
  { id: Type.Integer(), untilMs: Type.Number({ minimum: 0, maximum: LATEST_MS }) },
  { additionalProperties: false },
);
const Wrap = Type.Union([Type.Literal(0), Type.Literal(1)]);

/** A value sets, null takes it back, what is absent stays. */
const HostBootChangeBody = Type.Object(
  {
    secureBoot: Type.Optional(Nullable(Type.Boolean())),
    loader: Type.Optional(Nullable(Type.String())),
    netBootImage: Type.Optional(Nullable(NetBootImage)),
    address: Type.Optional(Nullable(Type.String())),
    tftp: Type.Optional(
      Nullable(
        Type.Object(
          {
            blockBytes: Type.Optional(Nullable(Type.Integer())),
            windowBlocks: Type.Optional(Nullable(Type.Integer())),
            wrapsTo: Type.Optional(Nullable(Wrap)),
          },
          { additionalProperties: false },
        ),
      ),
    ),
  },
  { additionalProperties: false },
);

/** What holds for a host now; null: as its kind of firmware needs it. */
const HostBootBody = Type.Object({
  hostId: Type.String(),
  name: Type.String(),
  mac: Type.String(),
  /** What it would boot now: "agent", "disk", "menu", "nothing". */
  boots: Type.String(),
  secureBoot: Type.Boolean(),
  loader: Nullable(Type.String()),
  address: Nullable(Type.String()),
  netBootImage: Nullable(NetBootImage),
  tftp: Type.Object({
    blockBytes: Nullable(Type.Integer()),
    windowBlocks: Nullable(Type.Integer()),
    wrapsTo: Nullable(Wrap),
  }),
  /** The names of those that are set for this host itself. */
  own: Type.Array(Type.String()),
});

export type HostBootBody = Type.Static<typeof HostBootBody>;

type HostBootRouteOptions = {
  readonly hosts: Hosts;
  readonly hostBoot: HostBoot;
  policyOf(mac: string): Promise<BootPolicy>;
  /** For every host that has no setting of its own. */
  readonly site: { readonly secureBoot: boolean };
};

/** How a single host boots: `GET` and `PATCH /api/v1/hosts/:host/boot`. */
export function hostBootRoutes(http: HttpServer, options: HostBootRouteOptions): void {
  const { hosts, hostBoot } = options;
  const OneHost = Type.Object({ host: Type.String() });
  const effective = async (host: Host, settings: HostBootSettings): Promise<HostBootBody> => ({
    ...bodyOf(host, settings, options.site.secureBoot),
    boots: (await options.policyOf(host.mac)).boot,
  });

  http.get(
    "/api/v1/hosts/:host/boot",
    { config: { role: "viewer" }, schema: { params: OneHost, response: { 200: HostBootBody } } },
    async (request) => {
      const host = await hosts.find(request.params.host);
      return effective(host, await hostBoot.ofHost(host.id));
    },
  );

  http.patch(
    "/api/v1/hosts/:host/boot",
    {
      config: { role: "operator" },
      schema: { params: OneHost, body: HostBootChangeBody, response: { 200: HostBootBody } },
    },
    async (request) => {
      const host = await hosts.find(request.params.host);
      return effective(host, await hostBoot.set(host.id, request.body));
    },
  );
}

function bodyOf(host: Host, settings: HostBootSettings, siteSecureBoot: boolean): Omit<HostBootBody, "boots"> {
  const { secureBoot = siteSecureBoot, loader = null, address = null, netBootImage = null, tftp = {} } = settings;
  return {
    hostId: host.id,
    name: host.name,
    mac: host.mac,
    secureBoot,
    loader,
    address,
    netBootImage,
    tftp: {
      blockBytes: tftp.blockBytes ?? null,
      windowBlocks: tftp.windowBlocks ?? null,
      wrapsTo: tftp.wrapsTo ?? null,
    },
    own: Object.keys(settings),
  };
}
