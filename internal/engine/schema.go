package engine

import (
	"bytes"
	"slices"

	"redoubt/internal/confdb"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// worthWriting leaves out the steps of a plan that differ from what stands only by what the agreed version of the schema does not have: they would be written again
// with every plan.
func worthWriting(snap Snapshot, steps []order.Step) ([]order.Step, error) {
	if !confdb.Spares(snap.Schema) {
		return steps, nil
	}
	var out []order.Step
	for _, s := range steps {
		i := slices.IndexFunc(snap.State.Assignments, func(a model.Assignment) bool { return a.Group == s.Assignment.Group })
		if i >= 0 {
			was, err := confdb.EncodeFor(snap.Schema, confdb.KindAssignment, snap.State.Assignments[i])
			if err != nil {
				return nil, err
			}
			next, err := confdb.EncodeFor(snap.Schema, confdb.KindAssignment, s.Assignment)
			if err != nil {
				return nil, err
			}
			if bytes.Equal(was, next) {
				continue
			}
		}
		out = append(out, s)
	}
	return out, nil
}
