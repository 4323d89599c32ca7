// SPDX-License-Identifier: Apache-2.0

/// What probers run: all questions at once, again and again, the answers on standard output, where they are read as the
/// pod's log. So nothing has to be executed in a pod later, and policies that cut the prober off do no harm.
///
///     begin 7
///     = 7 3 yes                                        number of the question; or no, or unable
///     = 7 200 0.000512 http://10.0.0.9:8080/?q=5       TCP: HTTP status, seconds until it was connected; 000 and 0: never
///     end 7
package enum ProbeScript {
    /// For bash. It finds the questions in the variable QUESTIONS, writes to /tmp, and needs `curl` 7.68 or newer, and
    /// `ping` if ICMP is asked.
    package static let text = #"""
        udp() {
          local answer=
          { exec 4<>"/dev/udp/$2/$3" && echo hostname >&4 && read -r -t 1 -n 1 -u 4 answer; } 2>/dev/null
          if [ -n "$answer" ]; then echo "= $round $1 yes"; else echo "= $round $1 no"; fi
        }
        icmp() {
          ping -c 1 -W 1 "$2" >/dev/null 2>&1
          case $? in
            0) echo "= $round $1 yes" ;;
            126 | 127) echo "= $round $1 unable" ;;
            *) echo "= $round $1 no" ;;
          esac
        }
        round=0
        while :; do
          round=$((round + 1))
          echo "begin $round"
          : >/tmp/answers
          : >/tmp/urls
          while read -r number kind address port; do
            case $kind in
              tcp)
                case $address in *:*) address="[$address]" ;; esac
                printf 'url = "http://%s:%s/?q=%s"\noutput = /dev/null\n' "$address" "$port" "$number" >>/tmp/urls
                ;;
              udp | icmp) "$kind" "$number" "$address" "$port" >>/tmp/answers & ;;
            esac
          done <<<"$QUESTIONS"
          [ ! -s /tmp/urls ] || curl --config /tmp/urls --noproxy '*' --globoff --silent --parallel \
            --parallel-immediate --connect-timeout 1 --max-time 2 \
            --write-out "= $round %{http_code} %{time_connect} %{url_effective}\n" >/tmp/tcp 2>/dev/null
          wait
          [ ! -s /tmp/urls ] || cat /tmp/tcp
          cat /tmp/answers
          echo "end $round"
          sleep 0.5
        done
        """#

    /// The value of QUESTIONS: a line each, numbered from 0.
    package static func variable(_ questions: [Question]) -> String {
        questions.enumerated().map { number, question in
            "\(number) \(question.kind.rawValue) \(question.address) \(question.port)"
        }.joined(separator: "\n")
    }
}

/// What a prober's log tells.
package struct ProbeLog: Hashable, Sendable {
    package struct Round: Hashable, Sendable {
        package let number: Int
        /// By the number of the question.
        package let answers: [Int: Answer]
    }

    /// The last round of which there is a line; 0: none.
    package private(set) var lastBegun = 0
    /// Rounds that are here from the beginning to the end, in their order.
    package private(set) var complete: [Round] = []

    /// `text` may begin and end within a line.
    package init(_ text: some StringProtocol) {
        var current: (number: Int, answers: [Int: Answer])?
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 2, let number = Int(words[1]) else { continue }
            switch words[0] {
            case "begin":
                lastBegun = max(lastBegun, number)
                current = (number, [:])
            case "=":
                guard current?.number == number, let (question, answer) = Self.answer(words.dropFirst(2)) else {
                    continue
                }
                current?.answers[question] = answer
            case "end":
                if let round = current, round.number == number {
                    complete.append(Round(number: number, answers: round.answers))
                }
                current = nil
            default: continue
            }
        }
    }

    private static func answer(_ words: ArraySlice<some StringProtocol>) -> (Int, Answer)? {
        let words = Array(words)
        if words.count == 2, let question = Int(words[0]) {
            return switch words[1] {
            case "yes": (question, .yes)
            case "no": (question, .no)
            case "unable": (question, .unable)
            default: nil
            }
        }
        guard words.count == 3, let question = words[2].split(separator: "=").last.flatMap({ Int($0) }),
            words[2].contains("?q="), let seconds = Double(words[1])
        else { return nil }
        if words[0] != "000" { return (question, .yes) }
        return (question, seconds > 0 ? .half : .no)
    }
}
