import type { HostBody } from "../../../api/host-schemas.ts";

type Host = Pick<HostBody, "name" | "group">;

/** By name as people count: lab-2 before lab-10. */
export const byName: Intl.Collator = new Intl.Collator("en", { numeric: true });

/** The hosts with all words of `search` in what is known of them, and in one state when that is given. */
export function hostsLike<H extends HostBody>(hosts: readonly H[], search: string, state: string | undefined): H[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return hosts
    .filter((host) => state === undefined || host.status.state === state)
    .filter((host) => {
      const { name, mac, vendor, model, serial, group, labels, note, status } = host;
      const text = [name, mac, vendor, model, serial, group, ...labels, note, status.state, status.detail]
        .join(" ")
        .toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .toSorted((one, other) => byName.compare(one.name, other.name));
}

/** Hosts by their groups, those without one last. */
export function groupsOf<H extends Host>(hosts: readonly H[]): { readonly name: string | null; readonly hosts: H[] }[] {
  return [...Map.groupBy(hosts, ({ group }) => group)]
    .map(([name, hosts]) => ({ name, hosts }))
    .sort((one, other) => (one.name === null ? 1 : other.name === null ? -1 : byName.compare(one.name, other.name)));
}
