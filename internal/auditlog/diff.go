package auditlog

// edit is one difference between what a file should have and what it has. at is the line of the file, from 1; want and have index the two lists, -1 for none.
type edit struct {
	what       What
	at         int
	want, have int
}

// maxTable bounds the work of finding out how two lists differ; beyond it only the first difference is named.
const maxTable = 4 << 20

// compare says how the lines of a file differ from those that it should have.
func compare(want, have []string) []edit {
	lo := 0
	for lo < len(want) && lo < len(have) && want[lo] == have[lo] {
		lo++
	}
	hiW, hiH := len(want), len(have)
	for hiW > lo && hiH > lo && want[hiW-1] == have[hiH-1] {
		hiW, hiH = hiW-1, hiH-1
	}
	w, h := want[lo:hiW], have[lo:hiH]
	if len(w) == 0 && len(h) == 0 {
		return nil
	}
	if (len(w)+1)*(len(h)+1) > maxTable {
		return coarse(w, h, lo)
	}
	return sorted(pair(gaps(w, h, lo), want, have))
}

// coarse compares line by line.
func coarse(w, h []string, lo int) []edit {
	switch {
	case len(h) == 0:
		return []edit{{Missing, lo + 1, lo, -1}}
	case len(w) == 0:
		return []edit{{Added, lo + 1, -1, lo}}
	}
	return []edit{{Replaced, lo + 1, lo, lo}}
}

// gap is a place where lines are missing, added, or both.
type gap struct {
	at         int // the line of the file that follows
	want, have []int
}

// gaps finds the longest common subsequence and returns what lies between its parts.
func gaps(w, h []string, lo int) []gap {
	width := len(h) + 1
	length := make([]int32, (len(w)+1)*width)
	for i := len(w) - 1; i >= 0; i-- {
		for j := len(h) - 1; j >= 0; j-- {
			if w[i] == h[j] {
				length[i*width+j] = length[(i+1)*width+j+1] + 1
			} else {
				length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
			}
		}
	}
	var out []gap
	open := gap{at: lo + 1}
	flush := func(at int) {
		if len(open.want)+len(open.have) > 0 {
			out = append(out, open)
		}
		open = gap{at: at}
	}
	for i, j := 0, 0; i < len(w) || j < len(h); {
		switch {
		case i < len(w) && j < len(h) && w[i] == h[j]:
			i, j = i+1, j+1
			flush(lo + j + 1)
		case j == len(h) || i < len(w) && length[(i+1)*width+j] > length[i*width+j+1]:
			open.want = append(open.want, lo+i)
			i++
		default:
			open.have = append(open.have, lo+j)
			j++
		}
	}
	flush(0)
	return out
}

// pair turns gaps into edits: a line that is missing here and too many there was moved, two that stand in for each other were changed.
func pair(all []gap, want, have []string) []edit {
	var out []edit
	missing := map[string][]int{} // text -> places in want
	for _, g := range all {
		for _, i := range g.want {
			missing[want[i]] = append(missing[want[i]], i)
		}
	}
	used := map[int]bool{}
	for gi, g := range all {
		var left []int
		for _, j := range g.have {
			if places := missing[have[j]]; len(places) > 0 {
				missing[have[j]] = places[1:]
				used[places[0]] = true
				out = append(out, edit{Moved, j + 1, places[0], j})
				continue
			}
			left = append(left, j)
		}
		all[gi].have = left
	}
	for _, g := range all {
		have := g.have
		for _, i := range g.want {
			if used[i] {
				continue
			}
			if len(have) > 0 {
				out = append(out, edit{Changed, have[0] + 1, i, have[0]})
				have = have[1:]
				continue
			}
			out = append(out, edit{Missing, g.at, i, -1})
		}
		for _, j := range have {
			out = append(out, edit{Added, j + 1, -1, j})
		}
	}
	return out
}

func sorted(edits []edit) []edit {
	for i := 1; i < len(edits); i++ { // few
		for j := i; j > 0 && edits[j].at < edits[j-1].at; j-- {
			edits[j], edits[j-1] = edits[j-1], edits[j]
		}
	}
	return edits
}
