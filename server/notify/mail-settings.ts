export const mailSecurity = ["starttls", "tls", "none"] as const;

/** The mail server that takes our mail. */
export type MailSettings = {
  readonly server: string;
  readonly port: number;
  /** "starttls" and "tls" refuse to go on without; with "none" everybody on the way can read. */
  readonly security: (typeof mailSecurity)[number];
  readonly from: string;
  readonly user?: string | undefined;
  /** Read each time, so that a new password needs no restart. */
  readonly passwordFile?: string | undefined;
};
