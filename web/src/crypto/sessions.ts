/**
 * The sessions with one other device, as libsignal serializes them to JSON: which one is used for sending, which are
 * kept for late messages, and how many keys of skipped messages are kept.
 */
import type { KeyPairType } from '@privacyresearch/libsignal-protocol-typescript/lib/types'
import { deviceTime } from '../local/device-time'

/** As libsignal needs them: the public key has 33 bytes, the type first. */
export type KeyPair = KeyPairType

/** A session as libsignal serializes it; only the parts used here. */
export interface Session {
  indexInfo: { closed: number; remoteIdentityKey: string; baseKey: string; baseKeyType: number }
  chains: Record<string, Chain>
  currentRatchet: { lastRemoteEphemeralKey: string }
}

export interface Chain {
  chainType: number
  chainKey: { counter: number; key?: string }
  messageKeys: Record<string, string>
}

/** All sessions with one device. At most one is open, which means that it is used for sending. */
export interface Sessions {
  sessions: Record<string, Session>
  /** By chain: up to which message the keys were dropped because there were too many. */
  dropped: Record<string, number>
}

/** The maximum number of sessions with one device that are kept for late messages. */
const MAX_SESSIONS = 10
/** The maximum number of skipped message keys: of one chain (libsignal skips no more at once), of all sessions. */
export const MAX_SKIPPED = 2000
const MAX_SKIPPED_IN_TOTAL = 4000

export function noSessions(): Sessions {
  return { sessions: {}, dropped: {} }
}

/** The device whose sessions these are: its identity key, 33 bytes in base64. */
export function identityOf(sessions: Sessions): string | undefined {
  return Object.values(sessions.sessions)[0]?.indexInfo.remoteIdentityKey
}

export function hasOpen(sessions: Sessions): boolean {
  return open(sessions) !== undefined
}

export function order(closed: number): number {
  return closed === -1 ? Infinity : closed
}

export function open(sessions: Sessions): string | undefined {
  return Object.keys(sessions.sessions).find((name) => sessions.sessions[name]?.indexInfo.closed === -1)
}

export function one(sessions: Sessions, name: string): Record<string, Session> {
  const session = sessions.sessions[name]
  return session === undefined
    ? {}
    : { [name]: { ...session, indexInfo: { ...session.indexInfo, closed: -1 } } }
}

export function archived(sessions: Sessions): Sessions {
  const closed = Object.entries(sessions.sessions).map(([name, session]): [string, Session] => {
    if (session.indexInfo.closed !== -1) return [name, session]
    return [name, { ...session, indexInfo: { ...session.indexInfo, closed: deviceTime() } }]
  })
  return { ...sessions, sessions: Object.fromEntries(closed) }
}

/** Opens another session, since they have begun to use it. */
export function promoted(sessions: Sessions, name: string): Sessions {
  if (open(sessions) === name) return sessions
  const closed = archived(sessions)
  const session = closed.sessions[name]
  if (session === undefined) return closed
  const opened = { ...session, indexInfo: { ...session.indexInfo, closed: -1 } }
  return { ...closed, sessions: { ...closed.sessions, [name]: opened } }
}

/** Limits what is kept for late messages. The oldest is dropped first. */
export function trimmed(sessions: Sessions): Sessions {
  const names = Object.keys(sessions.sessions)
  const age = (name: string): number => order(sessions.sessions[name]?.indexInfo.closed ?? 0)
  const kept = names.sort((a, b) => age(b) - age(a)).slice(0, MAX_SESSIONS)
  const dropped: Record<string, number> = {}
  let room = MAX_SKIPPED_IN_TOTAL
  const left: Record<string, Session> = {}
  for (const name of kept) {
    const session = sessions.sessions[name]
    if (session === undefined) continue
    for (const [key, chain] of Object.entries(session.chains)) {
      const skipped = Object.keys(chain.messageKeys).map(Number)
      const before = sessions.dropped[key]
      if (before !== undefined) dropped[key] = before
      const most = Math.min(MAX_SKIPPED, room)
      if (skipped.length > most) {
        const gone = skipped.sort((a, b) => a - b).slice(0, skipped.length - most)
        for (const counter of gone) Reflect.deleteProperty(chain.messageKeys, counter)
        dropped[key] = Math.max(before ?? -1, gone.at(-1) ?? -1)
      }
      room -= Object.keys(chain.messageKeys).length
    }
    left[name] = session
  }
  return { sessions: left, dropped }
}
