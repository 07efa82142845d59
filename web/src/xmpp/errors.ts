/** Errors of the connection and of requests. */

export class NotConnected extends Error {
  constructor() {
    super('not connected')
  }
}

/** The connection was lost before there was an answer. */
export class Lost extends Error {
  constructor() {
    super('the connection was lost')
  }
}

/** An error in answer to a request (RFC 6120 §8.3). */
export class Refused extends Error {
  constructor(
    readonly condition: string,
    readonly type: string
  ) {
    super(condition)
  }
}
