/** Addresses of workers: the policy of the page (Trusted Types) lets the app's own files be one, and nothing else. */

interface Policy {
  createScriptURL(url: string): unknown
}
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy
}

const OWN = /^\/(?:sw\.js|assets\/[\w.-]+\.js)$/

let policy: Policy | undefined

/** For `new Worker` and `register`, where the browser has Trusted Types. Throws TypeError for any other address. */
export function trustedWorker(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  if (import.meta.env.PROD && !OWN.test(url)) throw new TypeError('not our worker')
  // There may be one policy of a name
  policy ??= trustedTypes?.createPolicy('kith', {
    createScriptURL: (text) => {
      if (import.meta.env.PROD && !OWN.test(text)) throw new TypeError('not our worker')
      return text
    }
  })
  return (policy?.createScriptURL(url) ?? url) as string
}
