/** One operator of a task, in the order of execution, in words outsiders know. Literals are kept apart from the shape. */
export interface Operator {
  readonly type:
    | 'scan'
    | 'filter'
    | 'project'
    | 'join'
    | 'aggregate'
    | 'distinct'
    | 'window'
    | 'sort'
    | 'limit'
    | 'union'
    | 'merge'
    | 'pack'
    | 'write'
    | 'import'
    | 'encode'
  /** Human-readable canonical detail with literals taken out, e.g. `sum(l_quantity) by l_returnflag`. */
  readonly detail: string
}

/** What a task does: an ordered list of operators; the shape's hash aggregates the edges of the graph. */
export interface Transformation {
  /** The last telling operator, e.g. `aggregate`; the edge's transformation type. */
  readonly type: Operator['type']
  readonly operators: readonly Operator[]
  /** Hash of the operators without literals, 16 hex digits. */
  readonly shape: string
}
