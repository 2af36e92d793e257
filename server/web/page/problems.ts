import { computed } from "@preact/signals";
import { doctor } from "./store.ts";

/** How many things somebody should mend. */
export const problemCount = computed(() => doctor.value.value?.problems ?? 0);
