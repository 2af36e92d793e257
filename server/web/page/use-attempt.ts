import { useState } from "preact/hooks";
import type { Refusal } from "./api.ts";
import { refusalOf } from "./parts/notice.tsx";

/** Does what the server may refuse. */
export type Attempt = (work: () => Promise<unknown>) => Promise<void>;

/** What the server says against it is kept until the next try, to be shown where it was tried. */
export function useAttempt(): { refusal: Refusal | undefined; isBusy: boolean; attempt: Attempt } {
  const [refusal, setRefusal] = useState<Refusal>();
  const [isBusy, setBusy] = useState(false);
  const attempt: Attempt = async (work) => {
    setBusy(true);
    setRefusal(undefined);
    try {
      await work();
    } catch (error) {
      setRefusal(refusalOf(error));
    } finally {
      setBusy(false);
    }
  };
  return { refusal, isBusy, attempt };
}
