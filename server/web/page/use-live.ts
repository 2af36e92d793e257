import { useEffect, useMemo } from "preact/hooks";
import type { EventBody } from "../../api/schemas.ts";
import { Resource } from "./resource.ts";
import { connection, watch } from "./store.ts";

/**
 * Something that a page shows as long as it is open: it is asked for again when an event wants it, and every two
 * seconds while `isPolled`.
 *
 * @param key another one is another thing
 */
export function useLive<T>(
  key: string,
  load: () => Promise<T>,
  options: { wants(event: EventBody): boolean; isPolled?(value: T | undefined): boolean },
): Resource<T> {
  const resource = useMemo(() => new Resource(load), [key]);
  useEffect(
    () =>
      watch({
        wants: options.wants,
        refresh: () => resource.refresh(),
        isPolled: () => connection.peek() === "live" && (options.isPolled?.(resource.value.peek()) ?? false),
      }),
    [resource],
  );
  return resource;
}
