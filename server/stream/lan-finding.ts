/** What a look at the network found, in the words of `bootcast doctor`. `fix` stands with everything that is not "ok". */
export type LanFinding = {
  readonly probe:
    | "interface"
    | "wi-fi"
    | "link"
    | "scope"
    | "group"
    | "querier"
    | "flooding"
    | "canary"
    | "frames"
    | "guard";
  readonly status: "ok" | "warn" | "fail";
  /** One sentence. */
  readonly detail: string;
  readonly fix?: string;
};
