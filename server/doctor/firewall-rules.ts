/** What `nft -j list ruleset` says, as far as we read it. */
export type Ruleset = { readonly nftables: readonly NftItem[] };
type NftItem = { readonly chain?: NftChain; readonly rule?: NftRule };
type NftChain = {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type?: string;
  readonly hook?: string;
  readonly prio?: number;
  readonly policy?: string;
};
type NftRule = {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr?: readonly Readonly<Record<string, unknown>>[];
};

/** The first packet of a conversation, as a firewall of this machine sees it. */
export type Arrival = { readonly protocol: "udp" | "tcp"; readonly port: number; readonly interfaceName: string };

type Verdict = "accept" | "drop" | "on";
type Truth = "yes" | "no" | "maybe";

const ipFamilies = ["ip", "inet"];

/**
 * Whether a firewall surely drops a packet. What we do not understand counts as letting it pass: a false alarm is worse
 * than none.
 */
export function isDropped(ruleset: Ruleset, arrival: Arrival): boolean {
  const chains = ruleset.nftables.flatMap(({ chain }) => (chain === undefined ? [] : [chain]));
  const rules = ruleset.nftables.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
  const walk = (at: Pick<NftChain, "family" | "table" | "name">, depth: number): Verdict => {
    if (depth > 16) return "accept";
    const own = rules.filter(
      ({ family, table, chain }) => family === at.family && table === at.table && chain === at.name,
    );
    for (const { expr = [] } of own) {
      const verdict = ofRule(expr, arrival, (name) => walk({ ...at, name }, depth + 1));
      if (verdict === "return") return "on";
      if (verdict !== "on") return verdict;
    }
    return "on";
  };
  // Every base chain is asked, whatever another one has accepted.
  return chains
    .filter(({ hook, type, family }) => hook === "input" && type === "filter" && ipFamilies.includes(family))
    .some((base) => {
      const verdict = walk(base, 0);
      return verdict === "drop" || (verdict === "on" && base.policy === "drop");
    });
}

function ofRule(
  statements: readonly Readonly<Record<string, unknown>>[],
  arrival: Arrival,
  jump: (chain: string) => Verdict,
): Verdict | "return" {
  let isSure = true;
  for (const statement of statements) {
    const [name, value] = Object.entries(statement)[0] ?? [];
    switch (name) {
      case "match": {
        const truth = matches(value as Match, arrival);
        if (truth === "no") return "on";
        if (truth === "maybe") isSure = false;
        break;
      }
      case "accept":
        return "accept";
      case "drop":
      case "reject":
        return isSure ? "drop" : "on";
      case "return":
        // What stands behind it may or may not be reached: then it lets pass.
        return isSure ? "return" : "accept";
      case "jump":
      case "goto": {
        const verdict = jump((value as { target: string }).target);
        return !isSure && verdict === "drop" ? "on" : verdict;
      }
      case "counter":
      case "log":
      case "comment":
        break;
      case "limit":
        // Only so many a second.
        isSure = false;
        break;
      default:
        return "accept";
    }
  }
  return "on";
}

type Match = { readonly op: string; readonly left: unknown; readonly right: unknown };

function matches({ op, left, right }: Match, arrival: Arrival): Truth {
  const actual = valueIn(left, arrival);
  if (actual === undefined) return "maybe";
  const found = holds(right, actual);
  if (op === "==" || op === "in") return found;
  if (op === "!=") return found === "maybe" ? "maybe" : found === "yes" ? "no" : "yes";
  return "maybe";
}

/** What the packet has there; undefined where that is not known. */
function valueIn(left: unknown, { protocol, port, interfaceName }: Arrival): string | number | undefined {
  const { payload, meta, ct } = left as {
    payload?: { protocol?: string; field?: string };
    meta?: { key?: string };
    ct?: { key?: string };
  };
  if (payload?.field === "dport") return ["th", protocol].includes(payload.protocol ?? "") ? port : -1;
  if (payload?.field === "protocol" && payload.protocol === "ip") return protocol;
  if (meta?.key === "l4proto") return protocol;
  if (meta?.key === "iifname" || meta?.key === "iif") return interfaceName;
  if (meta?.key === "nfproto") return "ipv4";
  if (ct?.key === "state") return "new";
  return undefined;
}

function holds(right: unknown, actual: string | number): Truth {
  if (typeof right === "string" || typeof right === "number") {
    if (typeof right === "string" && right.endsWith("*"))
      return String(actual).startsWith(right.slice(0, -1)) ? "yes" : "no";
    if (typeof right === "string" && right.startsWith("@")) return "maybe";
    return right === actual ? "yes" : "no";
  }
  if (Array.isArray(right)) return anyOf(right, actual);
  const { set, range } = (right ?? {}) as { set?: unknown; range?: readonly [number, number] };
  if (Array.isArray(set)) return anyOf(set, actual);
  if (Array.isArray(range)) {
    return typeof actual === "number" && actual >= range[0] && actual <= range[1] ? "yes" : "no";
  }
  return "maybe";
}

function anyOf(items: readonly unknown[], actual: string | number): Truth {
  const truths = items.map((item) => holds(item, actual));
  return truths.includes("yes") ? "yes" : truths.includes("maybe") ? "maybe" : "no";
}
