/** What is said about a call. */
import type { CallView } from '../calls/call'
import type { Ending } from '../calls/types'
import type { Key } from '../strings/texts'
import { t } from '../strings/strings.svelte'

const ENDINGS: Partial<Record<Ending, Key>> = {
  success: 'call.over',
  busy: 'call.busy',
  decline: 'call.declined',
  cancel: 'call.over',
  timeout: 'call.no-answer',
  elsewhere: 'call.elsewhere',
  unreachable: 'call.unreachable',
  gone: 'call.gone',
  expired: 'call.over',
  'connectivity-error': 'call.lost',
  'failed-transport': 'call.lost',
  'security-error': 'call.forged'
}

/** The state of a call, as it is shown and read aloud; empty while it simply goes on. */
export function stateText(view: CallView): string {
  const { phase, held, theyHeld, ending, outgoing } = view
  if (phase === 'calling') return t('call.calling')
  if (phase === 'ringing') return t('call.ringing')
  if (phase === 'connecting') return t('call.connecting')
  if (phase === 'reconnecting') return t('call.reconnecting')
  if (phase === 'ended') {
    if (ending === 'timeout' && !outgoing) return t('call.over')
    return t((ending && ENDINGS[ending]) ?? 'call.failed')
  }
  if (held) return t('call.held')
  if (theyHeld) return t('call.they-hold')
  if (view.quality === 0) return t('call.silence')
  if (view.quality === 1) return t('call.bad-line')
  return ''
}
