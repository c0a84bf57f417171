/** Thrown inside the splitter when a query has to run whole; the message is the plan's `why`. Never leaves splitSelect. */
export class NotSplit extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'NotSplit'
  }
}
