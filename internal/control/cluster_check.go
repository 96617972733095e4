package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/posture"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// finish sorts a report and says whether it is good.
func finish(out v1.CheckReport) v1.CheckReport {
	if out.Problems == nil {
		out.Problems = []v1.Problem{}
	}
	slices.SortStableFunc(out.Problems, func(a, b v1.Problem) int { return posture.Rank(a.Severity) - posture.Rank(b.Severity) })
	out.OK = !slices.ContainsFunc(out.Problems, func(p v1.Problem) bool { return p.Severity == severe })
	return out
}

// ClusterVerify reads every record from the repository itself and checks that it is whole and fits the others.
func (c *Control) ClusterVerify(ctx context.Context, who Caller, in v1.ClusterVerify) (v1.CheckReport, error) {
	r, err := c.enter(ctx, who, "cluster verify")
	if err != nil {
		return v1.CheckReport{}, err
	}
	done, err := c.turn(ctx, who, "cluster verify")
	if err != nil {
		return v1.CheckReport{}, err
	}
	defer done()
	snap, err := r.Store.Read(ctx, confdb.Root)
	if err != nil {
		return v1.CheckReport{}, err
	}
	out := v1.CheckReport{Checked: []string{fmt.Sprintf("%d records at revision %d", len(snap.Entries), snap.Revision)}}
	for _, e := range snap.Entries {
		if err := decodes(e); err != nil {
			out.Problems = append(out.Problems, v1.Problem{Severity: severe, Object: "record " + strings.TrimPrefix(e.Key, confdb.Root), Text: err.Error(), Remedy: "restore the repository from a snapshot"})
		}
	}
	for _, p := range check.All(c.look(r).state) {
		out.Problems = append(out.Problems, v1.Problem{Severity: severe, Object: p.Path, Text: p.Text})
	}
	return finish(out), nil
}

// decodes reads a record by its key.
func decodes(e confdb.Entry) error {
	var err error
	under := func(prefix string) bool { return strings.HasPrefix(e.Key, prefix) }
	switch k := e.Key; {
	case k == confdb.KeyCluster:
		_, err = confdb.Decode[model.Cluster](confdb.KindCluster, k, e.Value)
	case k == confdb.KeyMembership:
		_, err = confdb.Decode[membership.Record](confdb.KindMembership, k, e.Value)
	case k == confdb.KeyQuorum:
		_, err = confdb.Decode[engine.Quorum](confdb.KindQuorum, k, e.Value)
	case k == confdb.KeySerial:
		_, err = confdb.Decode[serial](confdb.KindSerial, k, e.Value)
	case under(confdb.PrefixSecret):
		_, err = confdb.Decode[model.Secret](confdb.KindSecret, k, e.Value)
	case under(confdb.PrefixNode):
		_, err = confdb.Decode[model.Node](confdb.KindNode, k, e.Value)
	case under(confdb.PrefixType):
		_, err = confdb.Decode[model.Type](confdb.KindType, k, e.Value)
	case under(confdb.PrefixGroup):
		_, err = confdb.Decode[model.Group](confdb.KindGroup, k, e.Value)
	case under(confdb.PrefixResource):
		_, err = confdb.Decode[model.Resource](confdb.KindResource, k, e.Value)
	case under(confdb.PrefixWant):
		_, err = confdb.Decode[model.Want](confdb.KindWant, k, e.Value)
	case under(confdb.PrefixAssign):
		_, err = confdb.Decode[model.Assignment](confdb.KindAssignment, k, e.Value)
	case under(confdb.PrefixInstance):
		_, err = confdb.Decode[model.Instance](confdb.KindInstance, k, e.Value)
	case under(confdb.PrefixAccess):
		_, err = confdb.Decode[admission.Entry](confdb.KindAccess, k, e.Value)
	case under(confdb.PrefixAsk):
		_, err = confdb.Decode[engine.Ask](confdb.KindAsk, k, e.Value)
	case under(confdb.PrefixAttr):
		_, err = confdb.Decode[attribute](confdb.KindAttr, k, e.Value)
	case under(confdb.PrefixRevoked):
		_, err = confdb.Decode[model.Revoked](confdb.KindRevoked, k, e.Value)
	case k == confdb.KeyAuthorities:
		_, err = confdb.Decode[model.Authorities](confdb.KindAuthorities, k, e.Value)
	case k == confdb.KeySchema:
		_, err = confdb.Decode[model.Schema](confdb.KindSchema, k, e.Value)
	case under(confdb.PrefixReads):
		_, err = confdb.Decode[model.Reads](confdb.KindReads, k, e.Value)
	case under(confdb.PrefixTrust):
		_, err = confdb.Decode[model.Trust](confdb.KindTrust, k, e.Value)
	case under(confdb.PrefixCertificate):
		_, err = confdb.Decode[model.Certificate](confdb.KindCertificate, k, e.Value)
	}
	return err
}
