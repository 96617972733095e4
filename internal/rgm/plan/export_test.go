package plan

import "slices"

// GaveUp reports whether what was asked of a group, or the place that it is held at, counts as not asked for, because it can not be had. By where the group runs it can not be told:
// it may come to be there nevertheless.
func (r Result) GaveUp(g int) bool { return slices.Contains(r.refused, int32(g)) }
