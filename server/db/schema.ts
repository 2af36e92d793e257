import type { Generated } from "kysely";

/**
 * The database's tables. Times are whole milliseconds UTC, MAC addresses are
 * lower-case text with colons, JSON is text, yes and no are 1 and 0.
 */
export type Tables = {
  events: EventTable;
  hosts: HostTable;
  host_macs: HostMacTable;
  host_cards: HostCardTable;
  host_labels: HostLabelTable;
  host_logs: HostLogTable;
  enrolment: EnrolmentTable;
  deploys: DeployTable;
  deploy_hosts: DeployHostTable;
  deploy_streams: DeployStreamTable;
  servers: ServerTable;
  leases: LeaseTable;
  host_boot: HostBootTable;
  scripts: ScriptTable;
  users: UserTable;
  logins: LoginTable;
  tokens: TokenTable;
  repeats: RepeatTable;
  schedules: ScheduleTable;
  schedule_runs: ScheduleRunTable;
  notify_targets: NotifyTargetTable;
  notify_queue: NotifyQueueTable;
};

/** A change that was sent with an idempotency key. */
export type RepeatTable = {
  key: string;
  actor: string;
  /** SHA-256 of the request, hex. */
  fingerprint: string;
  at_ms: number;
  /** What was answered; null: nothing yet, or it is not kept. */
  status: number | null;
  body: string | null;
  /** 1: it has changed something, whatever was answered. */
  is_changed: number;
};

/** An order that is given again and again: `Schedule`. */
export type ScheduleTable = {
  name: string;
  cron: string;
  time_zone: string;
  window_ms: number;
  /** 1: hosts that are off are woken. */
  wakes: number;
  wake_before_ms: number;
  /** JSON list of texts. */
  quiet_hours: string;
  /** "run" or "skip". */
  missed: string;
  /** 1: hosts that run a system of their own are left alone. */
  skips_used: number;
  /** The DeployRequest as JSON. */
  request: string;
  is_paused: number;
  /** Times up to here have been decided on. */
  handled_until_ms: number;
  made_by: string;
  created_at_ms: number;
};

/** One time of a schedule that came. */
export type ScheduleRunTable = {
  schedule: string;
  due_at_ms: number;
  opened_at_ms: number;
  ends_at_ms: number;
  /** One of `runStates`. */
  state: string;
  deploy_id: number | null;
  /** JSON list of `LeftOut`: who was in use, and words that meant nobody. */
  left_out: string;
  /** JSON list of `Member`: whom its words meant then; null: nobody knows. */
  members: Generated<string | null>;
  /** 1: its window is over, and who had not begun was left alone. */
  is_closed: number;
  why: string;
  ended_at_ms: number | null;
};

/** Who is told what happens: `Target`. */
export type NotifyTargetTable = {
  name: string;
  /** "webhook" or "mail". */
  kind: string;
  address: string;
  /** What a webhook's messages are signed with; empty for mail. */
  secret: string;
  /** JSON list of `Topic`. */
  topics: string;
  is_paused: number;
  /** In a row, until now. */
  failures: number;
  /** Nothing is sent before. */
  next_try_ms: number;
  /** Messages that found no place in its queue. */
  dropped: number;
  told_at_ms: number | null;
  /** Why it could not be told the last time, JSON. */
  fault: string | null;
  made_by: string;
  created_at_ms: number;
};

/** A message that waits; its words are made of the event when it is sent. */
export type NotifyQueueTable = {
  target: string;
  event_id: number;
  topic: string;
  at_ms: number;
  /** How often its receiver did not want it. */
  refusals: number;
};

/** A person who may log in. */
export type UserTable = {
  name: string;
  /** One of `roles`. */
  role: string;
  /** As server/access/password.ts writes it; null: none was chosen yet. */
  password_hash: string | null;
  /** SHA-256 of the code of a link that was not used, hex. */
  link_hash: string | null;
  created_at_ms: number;
};

/** A browser that is logged in. */
export type LoginTable = {
  /** SHA-256 of its cookie, hex. */
  hash: string;
  user_name: string;
  created_at_ms: number;
  used_at_ms: number;
};

/** What a program logs in with. */
export type TokenTable = {
  name: string;
  /** SHA-256 of the token, hex. */
  hash: string;
  /** One of `roles`. */
  role: string;
  made_by: string;
  created_at_ms: number;
  /** Null: never. */
  expires_at_ms: number | null;
  used_at_ms: number | null;
};

/** A person's script that runs when a disk is restored; ordered by owner_kind, owner and name. */
export type ScriptTable = {
  /** "image" or "group". */
  owner_kind: string;
  owner: string;
  name: string;
  text: string;
  most_seconds: number;
};

/** What happened; only ever added to. */
export type EventTable = {
  id: Generated<number>;
  at_ms: number;
  /** "host.registered", "deploy.created", … */
  kind: string;
  host_id: string | null;
  deploy_id: number | null;
  /** JSON object. */
  data: string;
  /** Who made the change; null: the server itself, or a host. */
  actor: Generated<string | null>;
};

export type HostTable = {
  id: string;
  name: string;
  /** The address it last booted with. All its addresses are in host_macs. */
  mac: string;
  uuid: string;
  serial: string;
  vendor: string;
  model: string;
  /** The whole Inventory as JSON. */
  inventory: string;
  /** SHA-256 of the agent's token, hex. */
  token_hash: string;
  /** One of agentStates. */
  state: string;
  state_since_ms: number;
  detail: string;
  percent: number | null;
  /** Fault as JSON while state is "failed". */
  fault: string | null;
  /** The group that it is in; null: none. */
  group_name: Generated<string | null>;
  /** Since when it has nothing to do; the start of hosts.wait_minutes. */
  waiting_since_ms: number;
  first_seen_ms: number;
  last_seen_ms: number;
  /** Which of its disks orders are for (agent/disk/rule.ts); null: the setting hosts.disk. */
  disk_rule: Generated<string | null>;
  /** What its disk held after its last restore, until the next one begins (agent/disk/content.ts). */
  restored: Generated<string | null>;
  /** The IPv4 address that it asked for an order from last; null: it never did. */
  address: Generated<string | null>;
  /** 1: it may be given orders that erase; 0: it appeared by itself, and nobody has said so yet. */
  is_approved: Generated<number>;
  note: Generated<string | null>;
  /** Its lock (server/hosts/lock.ts): since when (null: none), why, whose, and until when (null: for ever). */
  locked_at_ms: Generated<number | null>;
  lock_reason: Generated<string | null>;
  lock_by: Generated<string | null>;
  lock_until_ms: Generated<number | null>;
  /** 1: it showed a good enrolment token when it registered last. */
  is_enrolled: Generated<number>;
  /** What it, or a machine that says it is this one, lacks to need no person (server/hosts/enrolment); null: nothing. */
  lacks: Generated<string | null>;
};

/** What the site's enrolment tokens are made of. */
export type EnrolmentTable = {
  id: number;
  secret: string;
  made_at_ms: number;
  /** Until when its tokens are good; null: they are today's. */
  until_ms: number | null;
};

export type HostLabelTable = {
  host_id: string;
  label: string;
};

/** Addresses that the firmware is answered by; each has one host. */
/** The end of what its agent wrote down, with its last word. */
export type HostLogTable = {
  host_id: string;
  at_ms: number;
  deploy_id: number | null;
  log: string;
};

export type HostMacTable = {
  mac: string;
  host_id: string;
};

/** The cards that were in a machine when it registered last; one that is carried around may be in several. */
export type HostCardTable = {
  host_id: string;
  mac: string;
};

export type DeployTable = {
  id: Generated<number>;
  /** "deploy": this image to these hosts. "capture": the disk of one host becomes the next version of this image. */
  kind: Generated<string>;
  image: string;
  /** Of a capture: 0 until it is made. */
  image_version: number;
  /** 1: every host that appears, once. */
  to_any: number;
  /** How many hosts the stream waits for before it starts, and how long at most. */
  wait_for: number;
  max_wait_ms: number;
  /** "active", "done", "cancelled". */
  state: string;
  created_at_ms: number;
  ended_at_ms: number | null;
  /** Of a capture, null otherwise: for the image's tag; 1 keeps what lies in free blocks; the size of the ordered disk. */
  notes: Generated<string | null>;
  keep_free_blocks: Generated<number | null>;
  most_disk_bytes: Generated<number | null>;
  /** Of a deploy: which disk (null: as is set for the host) and how it is erased (null: "quick"). */
  disk_rule: Generated<string | null>;
  erase: Generated<string | null>;
  /** Of a deploy: "last" or "keep", "keep" or "renew"; null: nobody said so. */
  grow: Generated<string | null>;
  ids: Generated<string | null>;
  /** Of a deploy: what comes after the restore (null: "reboot"); 1: its systems are to say that they are up. */
  afterwards: Generated<string | null>;
  alive: Generated<number | null>;
  /** Of a deploy: how much of the disk is read back (agent/disk/verify-plan.ts); null: the whole disk. */
  verify: Generated<string | null>;
  /** When it is to begin (null: at once), and since when it has begun (null: it has not). */
  start_at_ms: Generated<number | null>;
  begun_at_ms: Generated<number | null>;
  /** Since when nobody else begins (null: it goes on), and why: a Fault as JSON. */
  halted_at_ms: Generated<number | null>;
  halt_fault: Generated<string | null>;
  /** Of one that goes in waves: hosts in each, how many may fail, and those that a person has gone on after. */
  batch: Generated<number | null>;
  most_failed: Generated<number | null>;
  failed_accepted: Generated<number | null>;
  /** Of one to any host: which ones (server/orders/any-limits.ts), JSON; null: every one. */
  any_limits: Generated<string | null>;
  /** The words that it was ordered with. */
  target: Generated<string | null>;
  /** The deploy whose failed hosts these were. */
  retry_of: Generated<number | null>;
  /** 1: machines that are switched off are woken when their turn comes. */
  wakes: Generated<number | null>;
};

export type DeployHostTable = {
  deploy_id: number;
  host_id: string;
  /** "pending", "running", "done", "failed", "cancelled". */
  state: string;
  /** How often its disk was begun; ends a host that never comes through. */
  attempts: number;
  started_at_ms: number | null;
  ended_at_ms: number | null;
  fault: string | null;
  /** Of a deploy, as the host is told: the rule for its disk, what a person saw on its disks (JSON list), what was restored. */
  disk_rule: Generated<string | null>;
  confirmed: Generated<string | null>;
  known: Generated<string | null>;
  /** Which scripts the host was told: `scriptsDigest`; null: none. */
  scripts_digest: Generated<string | null>;
  /** When its turn comes: 0 is the canary's; null: all at once. And since when it has come (null: it has not). */
  wave: Generated<number | null>;
  released_at_ms: Generated<number | null>;
  /** When its machine was woken for it; null: it was not. */
  woken_at_ms: Generated<number | null>;
  /** Of a deploy: the disk that the last permit was for (agent/disk/identity.ts), and 1 when its erase was over. */
  begun_disk: Generated<string | null>;
  is_erased: Generated<number | null>;
  /**
   * Of a restored system that is to say that it is up: the hash of its token, the name that it is to have, until when
   * it is waited for (null: not now), and the last name that it called itself.
   */
  alive_hash: Generated<string | null>;
  alive_name: Generated<string | null>;
  alive_until_ms: Generated<number | null>;
  alive_heard: Generated<string | null>;
};

/** The last stream of a deploy in one network: after a restart it goes on under the same id. */
export type DeployStreamTable = {
  deploy_id: number;
  /** Our own IPv4 address in that network. */
  interface_address: string;
  stream_id: string;
  /** Its receivers listen there; null: the group of the configuration. */
  group_address: string | null;
  /** Of several servers on one database: who sends it (null: nobody), in which network, and what it is (server/leases). */
  server_id: Generated<string | null>;
  network: Generated<string | null>;
  traits: Generated<string | null>;
};

/** A server, where several work on one database: server/leases. */
export type ServerTable = {
  id: string;
  /** Another one after each start. */
  incarnation: string;
  /** Counted up while it is there. */
  beat: number;
  name: string;
  version: string;
  pid: number;
  /** Fingerprint of its site key. */
  site_key: string;
  /** JSON list: where agents reach it. */
  addresses: string;
  /** 1: it does what one server alone does. */
  is_leading: number;
  /** 1: it ended, or is gone. */
  has_ended: number;
  started_at_ms: number;
  /** By the clock of the database. */
  seen_at_ms: number;
};

/** Addresses that our own DHCP server gave out (network.dhcp = "full"); as `Lease` of bsdp/lease.ts. */
export type LeaseTable = {
  address: string;
  mac: string;
  state: string;
  until_ms: number;
};

/** How a host boots, where that is not as for every other: `HostBootSettings`. Null: not set. */
export type HostBootTable = {
  host_id: string;
  /** 1 and 0. */
  secure_boot: number | null;
  loader: string | null;
  net_boot_image: number | null;
  net_boot_until_ms: number | null;
  address: string | null;
  tftp_block_bytes: number | null;
  tftp_window_blocks: number | null;
  tftp_wraps_to: number | null;
};
