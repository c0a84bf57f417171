import { ForebayError } from '../model/errors.js'

/** Where a graph database is and who asks. */
export interface StoreAddress {
  /** Without user, password, path and parameters. */
  readonly url: string
  readonly user: string | undefined
  readonly password: string | undefined
  /** Path without its slash. */
  readonly path: string
}

/** Takes a store's URL apart; user and password that it does not say come from `FOREBAY_<PREFIX>_USER` and `_PASSWORD`. */
export function storeAddress(text: string, prefix: string, environment: NodeJS.ProcessEnv): StoreAddress {
  const match = /^([a-z0-9+]+):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#@]+)(?:\/([^?#]*))?$/.exec(text)
  if (match === null) {
    throw new ForebayError(
      'CONFIGURATION_INVALID',
      `configuration key "lineage": "${withoutPassword(text)}" is not a store's URL`,
      {
        hint: 'it looks like neo4j://127.0.0.1:7687 or gremlin://127.0.0.1:8182',
      },
    )
  }
  const [, scheme = '', user, password, host = '', path = ''] = match
  return {
    url: `${scheme}://${host}`,
    user: user === undefined || user === '' ? environment[`FOREBAY_${prefix}_USER`] : decodeURIComponent(user),
    password: password === undefined ? environment[`FOREBAY_${prefix}_PASSWORD`] : decodeURIComponent(password),
    path,
  }
}

/** A URL as it may be shown. */
export function withoutPassword(text: string): string {
  return text.replace(/\/\/[^@/]*@/, '//…@')
}
