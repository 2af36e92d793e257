/** What a step tells while it goes on. */
export type StepProgress = {
  /** 0 to 100; absent while something is waited for. */
  readonly percent?: number;
  /** What of it is done, where the step counts bytes. */
  readonly doneBytes?: number;
  /** One sentence. */
  readonly detail: string;
};
