/**
 * One at a time: in this program each in its turn, among the tabs of this browser by a Web Lock. To get that takes long,
 * so it is held for all that is done in a row.
 */

/** Milliseconds that the lock is kept after the last of a row, and of a row in which others have to wait. */
const LINGER = 20
const LONGEST = 500

interface Hold {
  /** Who had it last, and what that one knows it by. */
  owner: object
  token: object
  ready: Promise<void>
  since: number
  users: number
  release: () => void
}

const waiting = new Map<string, Promise<unknown>>()
const holds = new Map<string, Hold>()

/**
 * Runs `work` when all that asked before for this `name` are done; in other tabs, for the same `scope`. `hold`: the
 * same as last time if nobody but `owner` has had the lock in between.
 */
export async function exclusively<T>(
  scope: string,
  name: string,
  owner: object,
  work: (hold: object) => Promise<T>
): Promise<T> {
  const hold = await held(scope)
  try {
    return await inTurn(`${scope} ${name}`, () => work(token(hold, owner)))
  } finally {
    if (--hold.users === 0) setTimeout(() => hold.users === 0 && end(scope, hold), LINGER)
  }
}

/** In this program alone. An error is its caller's alone. */
export function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
  const before = waiting.get(name) ?? Promise.resolve()
  const now = before.then(work, work)
  const done = now.then(
    () => undefined,
    () => undefined
  )
  waiting.set(name, done)
  void done.then(() => {
    if (waiting.get(name) === done) waiting.delete(name)
  })
  return now
}

function token(hold: Hold, owner: object): object {
  if (hold.owner !== owner) Object.assign(hold, { owner, token: {} })
  return hold.token
}

async function held(scope: string): Promise<Hold> {
  const before = holds.get(scope)
  if (before !== undefined && performance.now() - before.since < LONGEST) {
    before.users++
    await before.ready
    return before
  }
  const hold = taken(scope)
  holds.set(scope, hold)
  await hold.ready
  return hold
}

function taken(scope: string): Hold {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks
  const hold: Hold = {
    owner: waiting,
    token: {},
    ready: Promise.resolve(),
    since: performance.now(),
    users: 1,
    release: () => undefined
  }
  if (locks === undefined) return hold
  hold.ready = new Promise((ready, failed) => {
    locks
      .request(`${scope} keys`, () => {
        hold.since = performance.now()
        ready()
        return new Promise<void>((release) => {
          hold.release = release
        })
      })
      .catch(failed)
  })
  return hold
}

function end(scope: string, hold: Hold): void {
  if (holds.get(scope) === hold) holds.delete(scope)
  hold.release()
}
