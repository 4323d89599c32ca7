// SPDX-License-Identifier: Apache-2.0
package import PolicyEngine

// The API has a type of the same name as the compiler's answer.
package typealias PolicyReason = Explanation.Reason
