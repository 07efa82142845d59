/** The texts for refusals of the server. */
import { cleanAbout } from '../local/names'
import type { Problem } from '../start/api'
import { t } from '../strings/strings.svelte'
import type { Key } from '../strings/texts'
import { isolated } from './names'
import { span } from './time'

/** Seconds, rounded to a readable length of time. */
export function waitText(seconds: number): string {
  if (seconds > 48 * 3600) return span(Math.ceil(seconds / 86_400) * 86_400)
  if (seconds > 5400) return span(Math.ceil(seconds / 3600) * 3600)
  if (seconds > 90) return span(Math.ceil(seconds / 60) * 60)
  return span(Math.max(1, Math.ceil(seconds)))
}

const KNOWN: Partial<Record<Problem['error'], Key>> = {
  'invalid-number': 'problem.invalid-number',
  'country-not-served': 'problem.country-not-served',
  'registration-closed': 'problem.registration-closed',
  'wrong-password': 'problem.wrong-password',
  'wrong-code': 'problem.wrong-code',
  'expired-code': 'problem.expired-code',
  'wrong-pin': 'problem.wrong-pin',
  'pin-required': 'problem.pin-required',
  'not-found': 'problem.not-found',
  'not-authorized': 'problem.not-authorized',
  conflict: 'problem.conflict',
  unavailable: 'problem.unavailable',
  offline: 'problem.offline'
}

/** The same for a requested code: "too many requests" means that the last one was sent a short time ago. */
export function codeProblem(problem: Problem): string {
  if (problem.error !== 'too-many') return problemText(problem)
  return t('problem.code-wait', { wait: waitText(problem.retry_after ?? 60) })
}

/** The server says itself why somebody is excluded. */
const EXCLUDED: readonly Problem['error'][] = ['account-disabled', 'banned']

export function problemText(problem: Problem): string {
  if (EXCLUDED.includes(problem.error))
    return t('problem.excluded', { reason: isolated(cleanAbout(problem.text)) }).trim()
  if (problem.error === 'too-many' || (problem.error === 'wrong-pin' && problem.retry_after))
    return t('problem.too-many', { wait: waitText(problem.retry_after ?? 60) })
  return t(KNOWN[problem.error] ?? 'problem.other')
}
