import { type Static, Type } from "typebox";

/** Mark, and the number of the datagram (uint16, from 0); zeros behind them. */
export const HEARING_MARK_BYTES = 16;
/** As long as the datagrams of a stream are, nearly. */
export const HEARING_DATAGRAM_BYTES = 1400;

/**
 * What a waiting host is asked to listen for: numbered datagrams to a group, which come once it has said that it
 * listens. An older agent does not see it.
 */
export const HearingTest = Type.Object({
  /** 16 random bytes, hex: the datagrams begin with them. */
  mark: Type.String({ pattern: "^[0-9a-f]{32}$" }),
  group: Type.String({ maxLength: 15 }),
  port: Type.Integer({ minimum: 1024, maximum: 65_535 }),
  datagrams: Type.Integer({ minimum: 1, maximum: 1000 }),
  /** So long it listens at most. */
  withinMs: Type.Integer({ minimum: 100, maximum: 10_000 }),
});
export type HearingTest = Static<typeof HearingTest>;

/** `heard` absent: it listens from now on. Otherwise how many of the datagrams came. */
export const Hearing = Type.Object({
  mark: HearingTest.properties.mark,
  heard: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
  /** Why it could not listen. */
  problem: Type.Optional(Type.String({ maxLength: 500 })),
});
export type Hearing = Static<typeof Hearing>;
export const HearingAnswer = Type.Object({});
