import type { z } from 'zod'

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
}
const units: Readonly<Record<string, string>> = { string: ' characters', array: ' entries' }

/** What is wrong with a value, as the sentence goes on after the name of its field; undefined leaves it to zod's own words. */
export function plainProblem(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${kinds[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
    case 'invalid_union':
      return 'is of the wrong kind'
    case 'invalid_format':
      return issue.format === 'url' ? 'must be a URL' : undefined
    case 'too_small':
    case 'too_big': {
      const unit = units[issue.origin]
      if (issue.code === 'too_big') return `must ${unit ? 'have' : 'be'} at most ${issue.maximum}${unit ?? ''}`
      return unit && issue.minimum === 1 ? 'is empty' : `must ${unit ? 'have' : 'be'} at least ${issue.minimum}${unit ?? ''}`
    }
    default:
      return undefined
  }
}
