import type { ImageDetailBody } from "../../api/image-routes.ts";
import { get } from "./api.ts";
import { useLive } from "./use-live.ts";

/** What is worked out of the whole manifest of one image version; undefined before it is, and of a capture (0). */
export function useImageDetail(name: string, version: number): ImageDetailBody | undefined {
  const live = useLive(
    `${name} ${version}`,
    async () =>
      version === 0
        ? undefined
        : get<ImageDetailBody>(`/images/${encodeURIComponent(name)}/${encodeURIComponent(version)}`),
    { wants: () => false },
  );
  return live.value.value;
}
