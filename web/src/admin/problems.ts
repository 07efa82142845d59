/** What is said of errors. */
import { problemText } from '../parts/problems'
import type { Problem } from '../start/api'
import { t } from './strings/strings'

/** Errors that the server explains better, although in English: what is wrong with a value. */
const EXPLAINED: readonly string[] = ['bad-request', 'conflict', 'banned', 'weak-password']

export function problemOf(problem: Problem): string {
  if (problem.error === 'forbidden') return t('problem.forbidden')
  if (problem.error === 'not-found') return t('problem.not-found')
  if (problem.error === 'not-authorized') return t('login.wrong')
  if (EXPLAINED.includes(problem.error) && problem.text) return t('problem.refused', { text: problem.text })
  return problemText(problem)
}
