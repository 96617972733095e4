package daemon

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

func TestRemovedIsWhatAnotherNodeSaysOfThisOne(t *testing.T) {
	about := func(n cluster.NodeName) error { return fault.Errorf(fault.NotFound, "%s: it was removed", notOurs(n)) }
	for what, c := range map[string]struct {
		err  error
		want bool
	}{
		"an answer":                          {nil, false},
		"not reached":                        {fault.Errorf(fault.Unavailable, "no route"), false},
		"a certificate that was replaced":    {fault.Errorf(fault.Denied, "the certificate of node n3 was revoked"), false},
		"removed":                            {about("n3"), true},
		"this node does not know the other":  {about("n1"), false},
		"something else that does not exist": {fault.Errorf(fault.NotFound, "no such operation"), false},
	} {
		if got := removedBy("n3", c.err); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func TestRemovedIsRemembered(t *testing.T) {
	c := Config{Data: t.TempDir()}
	if c.removed() != "" {
		t.Error("a node that never was in a cluster was removed from one")
	}
	if err := os.Mkdir(c.path(dirRemoved), 0o700); err != nil {
		t.Fatal(err)
	}
	why := removal{"demo", "node n1"}
	if !errors.Is(why, errRemoved) {
		t.Error("a removal is no removal")
	}
	if err := c.noteRemoved(why.Error(), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	if got := c.removed(); !strings.Contains(got, "removed from cluster demo, as node n1 says, on 1970-01-01T00:00:00Z") {
		t.Errorf("%q", got)
	}
}
