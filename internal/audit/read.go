package audit

import (
	"fmt"
	"slices"

	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// page is how many records are read at once.
const page = 1000

// own reads this node's records.
func (j *Journal) own() ([]auditlog.Record, error) {
	log, err := j.opened()
	if err != nil {
		return nil, err
	}
	var out []auditlog.Record
	for from := uint64(0); ; {
		lines, err := log.Leaves(from, page)
		if err != nil {
			return out, err
		}
		if len(lines) == 0 {
			return out, nil
		}
		for _, line := range lines {
			if r, err := auditlog.Decode(line); err == nil { // what can not be read is verification's business
				out = append(out, r)
			}
		}
		from += uint64(len(lines))
	}
}

// of reads the records of a node: its own, or the copy that is kept here.
func (j *Journal) of(node string) ([]auditlog.Record, error) {
	if node == j.cfg.Node {
		return j.own()
	}
	return j.cfg.Copies.Records(node)
}

// nodes are those of which there are records here.
func (j *Journal) nodes() []string {
	out := append(j.cfg.Copies.Nodes(), j.cfg.Node)
	slices.Sort(out)
	return slices.Compact(out)
}

// Commands returns the commands of all nodes that a query asks for, in the order of their times.
func (j *Journal) Commands(q auditlog.Query) ([]auditlog.Entry, error) {
	var out []auditlog.Entry
	err := j.each(q, func(records []auditlog.Record) {
		for _, e := range auditlog.Commands(records) {
			if q.Wants(e) {
				out = append(out, e)
			}
		}
	})
	return auditlog.Newest(out, q.Limit, func(e auditlog.Entry) auditlog.Record { return e.Record }), err
}

// Events returns the events of all nodes that a query asks for.
func (j *Journal) Events(q auditlog.Query) ([]auditlog.Record, error) {
	var out []auditlog.Record
	err := j.each(q, func(records []auditlog.Record) {
		for _, r := range records {
			if q.WantsEvent(r) {
				out = append(out, r)
			}
		}
	})
	return auditlog.Newest(out, q.Limit, func(r auditlog.Record) auditlog.Record { return r }), err
}

func (j *Journal) each(q auditlog.Query, use func([]auditlog.Record)) error {
	for _, n := range j.nodes() {
		if len(q.Nodes) > 0 && !slices.Contains(q.Nodes, n) {
			continue
		}
		records, err := j.of(n)
		if err != nil {
			return err
		}
		use(records)
	}
	return nil
}

// Offer gives this node's signed head, and the proof that its log begins with the one of known entries.
func (j *Journal) Offer(known uint64) (auditlog.Offer, error) {
	log, err := j.opened()
	if err != nil {
		return auditlog.Offer{}, err
	}
	signed, head := log.Head()
	o := auditlog.Offer{Public: j.cfg.Public, Head: signed}
	if known > 0 && known < head.Size {
		if o.Proof, err = log.Proof(known, head.Size); err != nil {
			return o, fault.Errorf(fault.Internal, "command log of node %s: %w", j.cfg.Node, err)
		}
	}
	return o, nil
}

// Leaves gives records of this node's log as they are on disk.
func (j *Journal) Leaves(from uint64, most int) ([][]byte, error) {
	log, err := j.opened()
	if err != nil {
		return nil, err
	}
	return log.Leaves(from, min(max(most, 1), page))
}

// VerifyOwn verifies this node's log on disk.
func (j *Journal) VerifyOwn() (auditlog.Report, error) {
	log, err := j.opened()
	if err != nil {
		return auditlog.Report{}, err
	}
	s, err := log.Stored()
	if err != nil {
		return auditlog.Report{}, err
	}
	r := auditlog.Verify(s)
	j.mu.Lock()
	delete(j.findings, "own")
	j.mu.Unlock()
	j.judgeOwn(r)
	return r, nil
}

// Accept takes the log of a node as it is now: what was known of it before is set aside with the evidence.
func (j *Journal) Accept(node string) error {
	if node == j.cfg.Node || !slices.Contains(j.cfg.Copies.Nodes(), node) {
		return fault.Errorf(fault.NotFound, "there is no copy of the command log of node %s here", node)
	}
	if err := j.setAside(node); err != nil {
		return err
	}
	j.Event("log", "node "+node, "accepted", fmt.Sprintf("the log of node %s is taken as it is now; what was known of it before is set aside", node))
	j.News(node)
	return nil
}

// setAside sets the copy of a node's log aside with all that was found out about it.
func (j *Journal) setAside(node string) error {
	if err := j.cfg.Copies.Accept(node, j.cfg.Now()); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.findings, "peer "+node)
	delete(j.findings, "copy "+node)
	delete(j.missed, node)
	return nil
}
