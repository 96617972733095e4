package daemon

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
)

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityOfNodes, "c1", "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca.Cert
}

// A voter without its copy has forgotten what it voted for and acknowledged: filled anew under the same name it could undo what was committed.
func TestOnlyALearnerBeginsWithoutACopy(t *testing.T) {
	seats := []engine.Seat{{Node: "n1", Started: true}, {Node: "n2", Learner: true}, {Node: "n3", Started: true}}
	if seated, err := mayBegin(seats, "n2", "/data"); !seated || err != nil {
		t.Errorf("a learner: %v, %v", seated, err)
	}
	if seated, err := mayBegin(seats, "n4", "/data"); seated || err != nil {
		t.Errorf("a node without a seat: %v, %v", seated, err)
	}
	seated, err := mayBegin(seats, "n3", "/data")
	if seated || !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "redoubt node remove -F n3") || !strings.Contains(err.Error(), "/data") {
		t.Errorf("a voter: %v, %v", seated, err)
	}
}
