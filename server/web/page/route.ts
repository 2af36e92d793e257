/** Which page is shown, as the part of the address behind "#". */
export type Route =
  | { readonly page: "room" | "sessions" | "images" | "schedule" | "repairs" | "settings" | "unknown" }
  | { readonly page: "host"; readonly id: string }
  | { readonly page: "session"; readonly id: number };

const plain = ["sessions", "images", "schedule", "repairs", "settings"] as const;

export function routeOf(hash: string): Route {
  const [first = "", second, ...more] = hash.replace(/^#?\/?/, "").split("/");
  if (more.length > 0) return { page: "unknown" };
  if (first === "" && second === undefined) return { page: "room" };
  if (second === undefined) {
    const page = plain.find((one) => one === first);
    return { page: page ?? "unknown" };
  }
  if (first === "hosts" && second !== "") {
    try {
      return { page: "host", id: decodeURIComponent(second) };
    } catch {
      return { page: "unknown" };
    }
  }
  if (first === "sessions" && /^[1-9]\d{0,14}$/.test(second)) return { page: "session", id: Number(second) };
  return { page: "unknown" };
}

export function hashOf(route: Route): string {
  if (route.page === "room" || route.page === "unknown") return "#/";
  if (route.page === "host") return `#/hosts/${encodeURIComponent(route.id)}`;
  if (route.page === "session") return `#/sessions/${route.id}`;
  return `#/${route.page}`;
}
