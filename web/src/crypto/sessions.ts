/**
 * The sessions with one other device, as libsignal writes them into JSON: which is used for writing, which are kept for
 * messages that come late, and how many keys of skipped messages.
 */
import type { KeyPairType } from '@privacyresearch/libsignal-protocol-typescript/lib/types'
import { deviceTime } from '../local/device-time'

/** As libsignal wants them: the public one has 33 bytes, the type first. */
export type KeyPair = KeyPairType

/** A session as libsignal writes it into JSON; only what is looked at here. */
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

/** All sessions with one device: at most one is open, that is, used for writing. */
export interface Sessions {
  sessions: Record<string, Session>
  /** By chain: up to which message keys were thrown away since there were too many. */
  dropped: Record<string, number>
}

/** Sessions with one device that are kept for messages that come late. */
const MOST_SESSIONS = 10
/** Keys of skipped messages that are kept: of one chain (libsignal skips no more at once), of all sessions. */
export const MOST_SKIPPED = 2000
const MOST_SKIPPED_AT_ALL = 4000

export function noSessions(): Sessions {
  return { sessions: {}, dropped: {} }
}

/** Whose sessions these are, as 33 bytes in base64. */
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

/** They have begun to write with another session than mine: so do I. */
export function promoted(sessions: Sessions, name: string): Sessions {
  if (open(sessions) === name) return sessions
  const closed = archived(sessions)
  const session = closed.sessions[name]
  if (session === undefined) return closed
  const opened = { ...session, indexInfo: { ...session.indexInfo, closed: -1 } }
  return { ...closed, sessions: { ...closed.sessions, [name]: opened } }
}

/** What is kept for late messages has a bound. The oldest goes first. */
export function trimmed(sessions: Sessions): Sessions {
  const names = Object.keys(sessions.sessions)
  const age = (name: string): number => order(sessions.sessions[name]?.indexInfo.closed ?? 0)
  const kept = names.sort((a, b) => age(b) - age(a)).slice(0, MOST_SESSIONS)
  const dropped: Record<string, number> = {}
  let room = MOST_SKIPPED_AT_ALL
  const left: Record<string, Session> = {}
  for (const name of kept) {
    const session = sessions.sessions[name]
    if (session === undefined) continue
    for (const [key, chain] of Object.entries(session.chains)) {
      const skipped = Object.keys(chain.messageKeys).map(Number)
      const before = sessions.dropped[key]
      if (before !== undefined) dropped[key] = before
      const most = Math.min(MOST_SKIPPED, room)
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
