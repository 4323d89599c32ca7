// SPDX-License-Identifier: Apache-2.0
package import AgentIPC

// The API and the datapath call some things by the same name. These are the API's.

package typealias CounterInfo = DatapathCounters
package typealias PacketInfo = PacketCount
package typealias MapContents = MapDump

package typealias ManifestErrorInfo = ManifestError

package typealias MapStatus = MapInfo

package typealias ExplanationReply = Explanation
