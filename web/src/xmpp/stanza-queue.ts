/** Handles received stanzas one after the other. Each is counted as handled (XEP-0198) once its work is done. */
import type { Session } from './session'

export class StanzaQueue {
  private last: Promise<void> = Promise.resolve()

  /** `onFailure`: called if a stanza could not be stored. `onHandled`: called after each stanza. */
  constructor(
    private readonly onFailure: (session: Session) => void,
    private readonly onHandled: () => void
  ) {}

  /** Adds a stanza. `work`: handles it. `done`: counts it as handled; `Session.received` has returned it. */
  add(session: Session, work: () => Promise<void> | void, done: () => void): void {
    this.last = this.last
      .then(() => (session.broken ? undefined : work()))
      .then(done, () => {
        // neither this stanza nor later ones are acknowledged, so a new session reads them from the archive
        session.broken = true
        this.onFailure(session)
      })
      .then(() => this.onHandled())
  }
}
